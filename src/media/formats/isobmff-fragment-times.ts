import { type WorkBudget, createWorkBudget, readInt32, readUint32 } from "./bytes.ts";
import { type Movie, type Track, hasLongTimes, readTime } from "./isobmff-movie.ts";
import { type Box, boxes } from "./isobmff.ts";

// Fragments of a second with two tracks: the boxes of a recording of two hours. A step takes up to half a microsecond.
const maxBoxes = 128 * 1024;
// The samples of a recording of twelve hours: a step takes some nanoseconds.
const maxSamples = 2 * 1024 ** 2;
const allOnes = 0xffffffff;

/** Times of a track in units of its timescale. */
export interface TrackTimes {
  /** Decode time of its first sample, and the offset from there to its composition time; null if it has not been found. */
  readonly first: number | null;
  readonly firstOffset: number;
  /** Decode time behind its last sample; null if it is unknown. */
  readonly end: number | null;
}

/** A known decode time of a track, for files whose fragments have none (`tfra`, ISO/IEC 14496-12, 8.8.10). */
export interface Anchor {
  /** Offset of the fragment in the file. */
  readonly at: number;
  readonly time: number;
}

/** Times of the samples in the movie header itself, by the identifier of the track: fragments continue there. */
export function headerTimes({ tracks }: Movie): Map<number, TrackTimes> {
  return new Map(
    tracks.map(({ id, sampleUnits, firstOffset }) => [
      id,
      { first: sampleUnits > 0 ? 0 : null, firstOffset, end: sampleUnits },
    ]),
  );
}

/**
 * Adds up the samples of the fragments in these bytes.
 *
 * @param from offset of the bytes in the file
 * @returns the times behind the last fragment that is there in full; null if there are too many fragments to count
 */
export function countFragments(
  bytes: Uint8Array,
  from: number,
  movie: Movie,
  before: ReadonlyMap<number, TrackTimes>,
  anchors: ReadonlyMap<number, Anchor> = new Map(),
): Map<number, TrackTimes> | null {
  const times = new Map(before);
  const boxWork = createWorkBudget(maxBoxes);
  const sampleWork = createWorkBudget(maxSamples);
  let at = 0;
  for (const box of boxes(bytes, 0, bytes.length, boxWork)) {
    if (box.type === "moof" && box.isWhole) {
      for (const inner of boxes(bytes, box.start, box.end, boxWork)) {
        if (inner.type === "traf") addTrack(bytes, inner, from + at, { movie, times, anchors, boxWork, sampleWork });
      }
    }
    at = box.next;
  }
  return boxWork.step() && sampleWork.step() ? times : null;
}

interface Count {
  readonly movie: Movie;
  readonly times: Map<number, TrackTimes>;
  readonly anchors: ReadonlyMap<number, Anchor>;
  readonly boxWork: WorkBudget;
  readonly sampleWork: WorkBudget;
}

/** Adds the samples of a track in a fragment. */
function addTrack(bytes: Uint8Array, traf: Box, moofAt: number, count: Count): void {
  const { movie, times, anchors, boxWork, sampleWork } = count;
  let id = 0;
  let sampleDuration = 0;
  let known: TrackTimes = { first: null, firstOffset: 0, end: null };
  for (const box of boxes(bytes, traf.start, traf.end, boxWork)) {
    if (box.type === "tfhd") {
      id = readUint32(bytes, box.start + 4);
      sampleDuration = readSampleDuration(bytes, box) ?? movie.sampleDurations.get(id) ?? 0;
      known = times.get(id) ?? known;
      const anchor = anchors.get(id);
      if (anchor?.at === moofAt) known = { ...known, end: anchor.time };
    }
    if (box.type === "tfdt") {
      const isLong = hasLongTimes(bytes, box);
      const isKnown = !isLong || readUint32(bytes, box.start + 4) !== allOnes;
      if (isKnown) known = { ...known, end: readTime(bytes, box.start + 4, isLong) };
    }
    if (box.type !== "trun" || known.end === null) continue;
    const { units, firstOffset } = readRun(bytes, box, sampleDuration, sampleWork);
    if (known.first === null) known = { ...known, first: known.end, firstOffset };
    known = { ...known, end: (known.end ?? 0) + units };
  }
  if (times.has(id)) times.set(id, known);
}

/** The default duration of the samples of a track in a fragment (8.8.7), behind the fields that precede it. */
function readSampleDuration(bytes: Uint8Array, { start }: Box): number | null {
  const flags = readUint32(bytes, start) % 2 ** 24;
  if ((flags & 8) === 0) return null;
  return readUint32(bytes, start + 8 + (flags & 1 ? 8 : 0) + (flags & 2 ? 4 : 0));
}

/** The sum of the durations of a run of samples (8.8.8), and the composition offset of its first one. */
function readRun(bytes: Uint8Array, { start, end }: Box, sampleDuration: number, work: WorkBudget) {
  const flags = readUint32(bytes, start) % 2 ** 24;
  const samples = readUint32(bytes, start + 4);
  const [hasDuration, hasSize, hasFlags, hasOffset] = [0x100, 0x200, 0x400, 0x800].map((flag) => (flags & flag) !== 0);
  const sampleBytes = [hasDuration, hasSize, hasFlags, hasOffset].filter(Boolean).length * 4;
  const first = start + 8 + (flags & 1 ? 4 : 0) + (flags & 4 ? 4 : 0);
  const offsetAt = first + [hasDuration, hasSize, hasFlags].filter(Boolean).length * 4;
  const firstOffset = hasOffset && samples > 0 ? readInt32(bytes, offsetAt) : 0;
  if (!hasDuration) return { units: samples * sampleDuration, firstOffset };
  const last = Math.min(first + samples * sampleBytes, end);
  let units = 0;
  for (let at = first; at + 4 <= last && work.step(); at += sampleBytes) units += readUint32(bytes, at);
  return { units, firstOffset };
}

/** Times of the movie in seconds: its tracks with the first sample and the end, as the edit list places them. */
export function spanOf({ timescale, edits }: Track, movieTimescale: number, times: TrackTimes) {
  const { first, firstOffset, end } = times;
  if (first === null || end === null) return null;
  const delay = movieTimescale > 0 ? edits.emptyUnits / movieTimescale : 0;
  const start = (first + firstOffset - edits.mediaTime) / timescale + delay;
  return { start, end: start + (end - first) / timescale };
}
