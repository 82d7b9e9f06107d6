import { createDurationMs } from "../raster.ts";
import { createWorkBudget, readUint16, readUint32 } from "./bytes.ts";
import { maxMediaBytes } from "./clip.ts";
import { type Movie, type Track, hasLongTimes, readTime } from "./isobmff-movie.ts";
import { type Box, boxes, findBox } from "./isobmff.ts";
import type { Need, ReceivedFile } from "./plan.ts";
import { clampToFile, isWhole, needMore, readRange } from "./received.ts";

// A segment index has at most 65535 references of 12 bytes; that of a film has some thousand.
const maxIndexBytes = 64 * 1024;
// Behind the last fragment there may be an index for random access (`mfra`), small in a file with few fragments.
const maxTrailerBytes = 4 * 1024;

/**
 * Reads the declared duration of a fragmented file: from `mehd`, or from a segment index (`sidx`) of the whole file
 * behind the movie header (ISO/IEC 14496-12, 8.8.2 and 8.16.3).
 *
 * @returns `missing` if the bytes behind the header have not arrived, null if the file does not declare it
 */
export function readFragmentedDurationMs(file: ReceivedFile, movie: Movie, from: number): number | "missing" | null {
  if (movie.fragmentSeconds !== null) return createDurationMs(movie.fragmentSeconds * 1000);
  const { length } = file;
  if (length === null || from >= length) return null;
  const bytes = readRange(file, from, clampToFile(file, from + maxIndexBytes));
  if (!bytes) return "missing";
  const index = findBox(boxes(bytes, 0, bytes.length, createWorkBudget()), "sidx");
  return index?.isWhole ? readIndexMs(bytes, index, length - from) : null;
}

/** The sum of the subsegments; null if they are not the whole rest of the file. */
function readIndexMs(bytes: Uint8Array, index: Box, restBytes: number): number | null {
  const isLong = hasLongTimes(bytes, index);
  const timescale = readUint32(bytes, index.start + 8);
  const countAt = index.start + (isLong ? 30 : 22);
  const count = Math.min(readUint16(bytes, countAt), Math.floor((index.end - countAt - 2) / 12));
  let end = index.next + readTime(bytes, index.start + (isLong ? 20 : 16), isLong);
  let units = 0;
  for (let at = countAt + 2; at < countAt + 2 + count * 12; at += 12) {
    end += readUint32(bytes, at) % 2 ** 31; // the first bit says that another index follows there
    units += readUint32(bytes, at + 4);
  }
  const isAll = end <= restBytes && end >= restBytes - maxTrailerBytes;
  return isAll && timescale > 0 && units > 0 ? createDurationMs((units / timescale) * 1000) : null;
}

/** Finds where the fragments of the first seconds of a track end, at most {@link maxMediaBytes} behind the header. */
export function findFragmentsEnd(
  file: ReceivedFile,
  { id, timescale }: Track,
  from: number,
  seconds: number,
): { readonly end: number } | { readonly need: Need | null } {
  const { prefix } = file;
  const work = createWorkBudget();
  const limit = clampToFile(file, from + maxMediaBytes);
  let at = from;
  let first: number | null = null;
  for (const box of boxes(prefix, from, prefix.length, work)) {
    if (box.type === "moof") {
      if (at > from && box.next > limit) return { end: at };
      if (!box.isWhole) return { need: needMore(file, box.next) };
      const time = readFragmentTime(prefix, box, id);
      first ??= time;
      if (time !== null && first !== null && time - first > seconds * timescale) return { end: at };
    }
    at = box.next;
    if (at >= limit) break;
  }
  if (at >= limit || isWhole(file)) {
    return prefix.length >= limit ? { end: limit } : { need: needMore(file, limit) };
  }
  return { need: needMore(file, at) };
}

/** The decode time of a track's first sample in a fragment (8.8.12); null if the fragment does not say it. */
function readFragmentTime(prefix: Uint8Array, moof: Box, id: number): number | null {
  const work = createWorkBudget();
  for (const box of boxes(prefix, moof.start, moof.end, work)) {
    if (box.type !== "traf") continue;
    let isTrack = false;
    for (const inner of boxes(prefix, box.start, box.end, work)) {
      if (inner.type === "tfhd") isTrack = readUint32(prefix, inner.start + 4) === id;
      if (inner.type === "tfdt" && isTrack) return readTime(prefix, inner.start + 4, hasLongTimes(prefix, inner));
    }
  }
  return null;
}
