import type { Size } from "../raster.ts";
import { type WorkBudget, createWorkBudget, readInt32, readText, readUint32 } from "./bytes.ts";
import { type Degrees, type DisplayHeader, readDisplayHeader, readDisplaySize, rotationOf } from "./isobmff-size.ts";
import { type Box, boxes, findBox } from "./isobmff.ts";

/** The boxes of a sample table: where and when its samples are (ISO/IEC 14496-12, 8.6.1.2, 8.7.3 to 8.7.5). */
export interface SampleTable {
  readonly times: Box;
  readonly chunks: Box;
  readonly sizes: Box;
  readonly offsets: Box;
  /** Of each offset: 4 or 8. */
  readonly offsetBytes: 4 | 8;
}

export interface Track {
  /** Offset of its box in the movie header. */
  readonly at: number;
  readonly id: number;
  readonly isVideo: boolean;
  readonly isSound: boolean;
  /** Whether it is played by default. */
  readonly isEnabled: boolean;
  /** Upright, in square pixels; null if it is no video, or has no size. */
  readonly size: Size | null;
  /** Rotation for display, in degrees clockwise. */
  readonly rotation: Degrees;
  /** Units a second. */
  readonly timescale: number;
  /** In units of the timescale; 0 if the header does not give it. */
  readonly duration: number;
  /** The sum of the durations in the sample table, in units of the timescale. */
  readonly sampleUnits: number;
  /** Time of the first sample behind its decode time (`ctts`), in units of the timescale. */
  readonly firstOffset: number;
  readonly edits: Edits;
  /** Null if it has no samples here: they are in fragments, or there are none. */
  readonly samples: SampleTable | null;
}

/** The edit list of a track (8.6.6), as far as its beginning and its declared duration. */
export interface Edits {
  /** Time of the movie before the first sample, in units of the movie's timescale. */
  readonly emptyUnits: number;
  /** Time of the media that is left out at the beginning, in units of the track's timescale. */
  readonly mediaTime: number;
  /** The sum of all edits, in units of the movie's timescale; 0 if the list does not give it. */
  readonly units: number;
}

export interface Movie {
  readonly tracks: readonly Track[];
  /** Units a second; 0 if the header does not give it. */
  readonly timescale: number;
  /** Duration of a sample of each track in a fragment that does not give it (`trex`), by the identifier of the track. */
  readonly sampleDurations: ReadonlyMap<number, number>;
  readonly isFragmented: boolean;
  /** Of all fragments, in seconds; null if the header does not give it. */
  readonly fragmentSeconds: number | null;
}

/** Reads a movie header (`moov`), which is given from its own header to its end; null if it has no tracks. */
export function readMovie(moov: Uint8Array): Movie | null {
  const work = createWorkBudget();
  const movie = findBox(boxes(moov, 0, moov.length, work), "moov");
  if (!movie) return null;
  const tracks: Track[] = [];
  let at = movie.start;
  let timescale = 0;
  let display: DisplayHeader | null = null;
  let extension: Box | null = null;
  for (const box of boxes(moov, movie.start, movie.end, work)) {
    if (box.type === "mvhd") {
      timescale = readScale(moov, box);
      display = readDisplayHeader(moov, box);
    }
    if (box.type === "mvex") extension = box;
    if (box.type === "trak") tracks.push(readTrack(moov, box, at, display, work));
    at = box.next;
  }
  if (tracks.length === 0) return null;
  const isFragmented = extension !== null;
  const { units, sampleDurations } = readExtension(moov, extension, work);
  const fragmentSeconds = units > 0 && timescale > 0 ? units / timescale : null;
  return { tracks, timescale, isFragmented, fragmentSeconds, sampleDurations };
}

/** Reads `mvex`: the duration of all fragments (8.8.2), and the defaults of their samples (8.8.3). */
function readExtension(moov: Uint8Array, extension: Box | null, work: WorkBudget) {
  const sampleDurations = new Map<number, number>();
  let units = 0;
  const inside = extension ? boxes(moov, extension.start, extension.end, work) : [];
  for (const box of inside) {
    if (box.type === "mehd") units = readDuration(moov, box.start + 4, hasLongTimes(moov, box));
    if (box.type === "trex") sampleDurations.set(readUint32(moov, box.start + 4), readUint32(moov, box.start + 12));
  }
  return { units, sampleDurations };
}

/** Version 1 of a box has times of 64 bits. */
export function hasLongTimes(bytes: Uint8Array, { start }: Pick<Box, "start">): boolean {
  return bytes[start] === 1;
}

export function readTime(bytes: Uint8Array, at: number, isLong: boolean): number {
  return isLong ? readUint32(bytes, at) * 2 ** 32 + readUint32(bytes, at + 4) : readUint32(bytes, at);
}

const allOnes = 0xffffffff;

/** Reads a duration; 0 if all bits are set, which means that it is unknown (8.2.2.3). Some writers set 32 of 64 bits. */
export function readDuration(bytes: Uint8Array, at: number, isLong: boolean): number {
  const low = readUint32(bytes, isLong ? at + 4 : at);
  const high = isLong ? readUint32(bytes, at) : 0;
  return low === allOnes && (high === 0 || high === allOnes) ? 0 : readTime(bytes, at, isLong);
}

/** The timescale of `mvhd` or `mdhd`, behind two times (8.2.2 and 8.4.2). */
function readScale(moov: Uint8Array, box: Box): number {
  return readUint32(moov, box.start + (hasLongTimes(moov, box) ? 20 : 12));
}

function readTrack(
  moov: Uint8Array,
  { start, end }: Box,
  at: number,
  movieDisplay: DisplayHeader | null,
  work: WorkBudget,
): Track {
  let [id, timescale, duration, handler, isEnabled] = [0, 0, 0, "", true];
  let edits: Edits = { emptyUnits: 0, mediaTime: 0, units: 0 };
  let display: DisplayHeader | null = null;
  let table = new Map<string, Box>();
  for (const box of boxes(moov, start, end, work)) {
    if (box.type === "tkhd") {
      id = readUint32(moov, box.start + (hasLongTimes(moov, box) ? 20 : 12));
      isEnabled = ((moov[box.start + 3] ?? 0) & 1) !== 0;
      display = readDisplayHeader(moov, box);
    }
    if (box.type === "edts") edits = readEdits(moov, box, work);
    if (box.type !== "mdia") continue;
    for (const inner of boxes(moov, box.start, box.end, work)) {
      if (inner.type === "hdlr") handler = readText(moov, inner.start + 8, 4);
      if (inner.type === "minf") table = readTable(moov, inner, work);
      if (inner.type !== "mdhd") continue;
      timescale = readScale(moov, inner);
      const isLong = hasLongTimes(moov, inner);
      duration = readDuration(moov, inner.start + (isLong ? 24 : 16), isLong);
    }
  }
  const isVideo = handler === "vide";
  return {
    at,
    id,
    isVideo,
    isSound: handler === "soun",
    isEnabled,
    rotation: rotationOf(display, movieDisplay),
    size: isVideo ? readDisplaySize(moov, table.get("stsd"), display, movieDisplay, work) : null,
    timescale,
    duration,
    sampleUnits: sumDurations(moov, table.get("stts")),
    firstOffset: readFirstOffset(moov, table.get("ctts")),
    edits,
    samples: readSampleTable(moov, table),
  };
}

/** Reads the edit list; a list that skips nothing if there is none. */
function readEdits(moov: Uint8Array, edts: Box, work: WorkBudget): Edits {
  const list = findBox(boxes(moov, edts.start, edts.end, work), "elst");
  if (!list) return { emptyUnits: 0, mediaTime: 0, units: 0 };
  const isLong = hasLongTimes(moov, list);
  const entryBytes = isLong ? 20 : 12;
  const count = Math.min(readUint32(moov, list.start + 4), Math.floor((list.end - list.start - 8) / entryBytes));
  let [emptyUnits, units, areKnown] = [0, 0, true];
  let mediaTime: number | null = null;
  for (let entry = 0; entry < count && work.step(); entry += 1) {
    const at = list.start + 8 + entry * entryBytes;
    const duration = readDuration(moov, at, isLong);
    const time = isLong ? readInt32(moov, at + 8) * 2 ** 32 + readUint32(moov, at + 12) : readInt32(moov, at + 4);
    units += duration;
    areKnown &&= duration > 0;
    if (time < 0 && mediaTime === null) emptyUnits += duration;
    if (time >= 0) mediaTime ??= time;
  }
  return { emptyUnits, mediaTime: mediaTime ?? 0, units: areKnown ? units : 0 };
}

// A run of samples takes eight bytes: a movie header of the longest allowed length has a million.
const maxRuns = 1024 ** 2;

/** The sum of the durations of all samples (8.6.1.2). */
function sumDurations(moov: Uint8Array, times: Box | undefined): number {
  if (!times || times.end - times.start < 8) return 0;
  const view = new DataView(moov.buffer, moov.byteOffset + times.start, times.end - times.start);
  const runs = Math.min(view.getUint32(4), Math.floor((view.byteLength - 8) / 8), maxRuns);
  let units = 0;
  for (let at = 8; at < 8 + runs * 8; at += 8) units += view.getUint32(at) * view.getUint32(at + 4);
  return units;
}

/** The composition offset of the first sample (8.6.1.3), which writers of version 0 use with a sign too. */
function readFirstOffset(moov: Uint8Array, offsets: Box | undefined): number {
  return offsets && readUint32(moov, offsets.start + 4) > 0 ? readInt32(moov, offsets.start + 12) : 0;
}

function readTable(moov: Uint8Array, minf: Box, work: WorkBudget): Map<string, Box> {
  const found = new Map<string, Box>();
  const table = findBox(boxes(moov, minf.start, minf.end, work), "stbl");
  if (table) for (const box of boxes(moov, table.start, table.end, work)) found.set(box.type, box);
  return found;
}

function readSampleTable(moov: Uint8Array, found: ReadonlyMap<string, Box>): SampleTable | null {
  const [times, chunks, sizes] = [found.get("stts"), found.get("stsc"), found.get("stsz")];
  const [short, long] = [found.get("stco"), found.get("co64")];
  const offsets = short ?? long;
  if (!times || !chunks || !sizes || !offsets || readUint32(moov, sizes.start + 8) === 0) return null;
  return { times, chunks, sizes, offsets, offsetBytes: short ? 4 : 8 };
}
