import { createDurationMs } from "../raster.ts";
import { createWorkBudget, readUint16, readUint32 } from "./bytes.ts";
import { type Anchor, countFragments, headerTimes, spanOf } from "./isobmff-fragment-times.ts";
import { type Movie, type Track, hasLongTimes, readTime } from "./isobmff-movie.ts";
import { type Box, boxes, findBox } from "./isobmff.ts";
import type { Need, ReceivedFile } from "./plan.ts";
import { clampToFile, isWhole, needMore, needRange, needWhole, readRange } from "./received.ts";

// A segment index has at most 65535 references of 12 bytes; that of a film has some thousand.
const maxIndexBytes = 64 * 1024;
// Behind the last fragment there may be an index for random access (`mfra`), small in a file with few fragments.
const smallTrailerBytes = 4 * 1024;
const maxTrailerBytes = 1024 ** 2;
// Beyond this the last fragments are not worth a request: their index has only some of them.
const maxLastFragmentsBytes = 4 * 1024 ** 2;
const trailerEndBytes = 4;
const allOnes = 0xffffffff;

interface Answer {
  /** Null if the bytes do not give it. */
  readonly durationMs: number | null;
  readonly need: Need | null;
}

/**
 * Reads the duration of a movie: as its header declares it, else the sum of its samples. For the samples of fragments:
 * from `mehd`, from a segment index (`sidx`) of the whole file, from the last fragments, or from all of them.
 *
 * @param from offset behind the movie header
 */
export function readMovieDuration(file: ReceivedFile, movie: Movie, from: number): Answer {
  const { length } = file;
  const declared = { durationMs: readHeaderMs(movie), need: null };
  // Of a file that is continued by fragments the header may describe its own samples alone.
  const isDeclared = movie.tracks.some(({ duration, sampleUnits }) => duration > sampleUnits);
  if (!movie.isFragmented || isDeclared) return declared;
  if (movie.fragmentSeconds !== null) return { durationMs: createDurationMs(movie.fragmentSeconds * 1000), need: null };
  if (length === null) return { durationMs: null, need: needWhole(file) };
  if (from >= length) return declared;
  const start = readRange(file, from, clampToFile(file, from + maxIndexBytes));
  if (!start) return { durationMs: null, need: needMore(file, from + maxIndexBytes) };
  const isAllInFragments = movie.tracks.every(({ sampleUnits }) => sampleUnits === 0);
  const index = isAllInFragments ? findBox(boxes(start, 0, start.length, createWorkBudget()), "sidx") : null;
  const indexMs = index?.isWhole ? readIndexMs(start, index, length - from) : null;
  if (indexMs !== null) return { durationMs: indexMs, need: null };
  const last = findLastFragments(file, movie, from, length);
  if (last !== null && "need" in last) return { durationMs: null, need: last.need };
  if (last !== null) return { durationMs: sumFromLast(start, from, movie, last), need: null };
  if (!isWhole(file)) return { durationMs: null, need: "whole" };
  const times = countFragments(file.prefix.subarray(from), from, movie, headerTimes(movie));
  return { durationMs: times && durationOf(movie, times), need: null };
}

/** The tracks that are played: others have times of their own, such as a chapter list. */
function playedTracks({ tracks }: Movie): readonly Track[] {
  const played = tracks.filter(({ isVideo, isSound }) => isVideo || isSound);
  return played.length > 0 ? played : tracks;
}

/** The duration of the longest track: as declared, else of its samples, else of its edit list. */
function readHeaderMs(movie: Movie): number | null {
  const ends = playedTracks(movie).map((track) => {
    const { duration, sampleUnits, firstOffset, edits } = track;
    const units = duration || sampleUnits;
    if (units === 0) return edits.units / movie.timescale;
    return spanOf(track, movie.timescale, { first: 0, firstOffset, end: units })?.end ?? 0;
  });
  return positiveMs(Math.max(...ends.filter(Number.isFinite)));
}

function positiveMs(seconds: number): number | null {
  return seconds > 0 ? createDurationMs(seconds * 1000) : null;
}

type Times = ReturnType<typeof headerTimes>;

/** From the first sample of all tracks to the end of the last one. */
function durationOf(movie: Movie, times: Times): number | null {
  const spans = playedTracks(movie).flatMap((track) => {
    const found = times.get(track.id);
    return (found && spanOf(track, movie.timescale, found)) ?? [];
  });
  const start = Math.max(0, Math.min(...spans.map(({ start }) => start)));
  return positiveMs(Math.max(...spans.map(({ end }) => end)) - start);
}

interface LastFragments {
  readonly at: number;
  readonly bytes: Uint8Array;
  readonly anchors: ReadonlyMap<number, Anchor>;
}

/** The duration from the first fragments, where the tracks begin, and the last ones. */
function sumFromLast(start: Uint8Array, from: number, movie: Movie, last: LastFragments): number | null {
  const first = countFragments(start, from, movie, headerTimes(movie));
  if (!first) return null;
  const unknownEnds = new Map([...first].map(([id, times]) => [id, { ...times, end: null }]));
  const times = countFragments(last.bytes, last.at, movie, unknownEnds, last.anchors);
  return times && durationOf(movie, times);
}

/** Finds the last fragments of all tracks by the index for random access at the end of the file (8.8.9 to 8.8.11). */
function findLastFragments(
  file: ReceivedFile,
  movie: Movie,
  from: number,
  length: number,
): LastFragments | { readonly need: Need | null } | null {
  const smallFrom = Math.max(from, length - smallTrailerBytes);
  const small = readRange(file, smallFrom, length);
  if (!small) return { need: needRange(file, smallFrom, length) };
  const trailerBytes = readUint32(small, small.length - trailerEndBytes);
  const trailerAt = length - trailerBytes;
  if (trailerAt < from || trailerBytes > maxTrailerBytes) return null;
  const trailer = readRange(file, trailerAt, length);
  if (!trailer) return { need: needRange(file, trailerAt, length) };
  const anchors = readAnchors(trailer);
  const tracks = playedTracks(movie);
  if (!tracks.every(({ id }) => anchors.has(id))) return null;
  const at = Math.min(...tracks.map(({ id }) => anchors.get(id)?.at ?? 0));
  if (at < from || at >= trailerAt || length - at > maxLastFragmentsBytes) return null;
  const bytes = readRange(file, at, length);
  return bytes ? { at, bytes, anchors } : { need: needRange(file, at, length) };
}

/** The last entry of each track in the index for random access. */
function readAnchors(trailer: Uint8Array): Map<number, Anchor> {
  const work = createWorkBudget();
  const anchors = new Map<number, Anchor>();
  const outer = findBox(boxes(trailer, 0, trailer.length, work), "mfra");
  if (!outer) return anchors;
  for (const box of boxes(trailer, outer.start, outer.end, work)) {
    if (box.type !== "tfra") continue;
    const isLong = hasLongTimes(trailer, box);
    const lengths = readUint32(trailer, box.start + 8); // of three numbers, two bits each, less one byte
    const entryBytes = (isLong ? 16 : 8) + (lengths & 3) + ((lengths >> 2) & 3) + ((lengths >> 4) & 3) + 3;
    const count = readUint32(trailer, box.start + 12);
    const lastAt = box.start + 16 + (count - 1) * entryBytes;
    if (count === 0 || lastAt + entryBytes > box.end) continue;
    const time = readTime(trailer, lastAt, isLong);
    const at = readTime(trailer, lastAt + (isLong ? 8 : 4), isLong);
    anchors.set(readUint32(trailer, box.start + 4), { at, time });
  }
  return anchors;
}

/** The sum of the subsegments (8.16.3); null if they are not the whole rest of the file, or if one is unknown. */
function readIndexMs(bytes: Uint8Array, index: Box, restBytes: number): number | null {
  const isLong = hasLongTimes(bytes, index);
  const timescale = readUint32(bytes, index.start + 8);
  const countAt = index.start + (isLong ? 30 : 22);
  const count = Math.min(readUint16(bytes, countAt), Math.floor((index.end - countAt - 2) / 12));
  let end = index.next + readTime(bytes, index.start + (isLong ? 20 : 16), isLong);
  let units = 0;
  for (let at = countAt + 2; at < countAt + 2 + count * 12; at += 12) {
    if (readUint32(bytes, at + 4) === allOnes) return null;
    end += readUint32(bytes, at) % 2 ** 31; // the first bit says that another index follows there
    units += readUint32(bytes, at + 4);
  }
  const isAll = end <= restBytes && end >= restBytes - smallTrailerBytes;
  return isAll && timescale > 0 && units > 0 ? createDurationMs((units / timescale) * 1000) : null;
}
