import { createWorkBudget, readUint32 } from "./bytes.ts";
import { maxMediaBytes } from "./clip.ts";
import { type Track, hasLongTimes, readTime } from "./isobmff-movie.ts";
import { type Box, boxes } from "./isobmff.ts";
import type { Need, ReceivedFile } from "./plan.ts";
import { clampToFile, isWhole, needMore } from "./received.ts";

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
