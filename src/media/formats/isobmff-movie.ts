import { type WorkBudget, createWorkBudget, readText, readUint32 } from "./bytes.ts";
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
  /** Units a second. */
  readonly timescale: number;
  /** In units of the timescale; 0 if the header does not give it. */
  readonly duration: number;
  /** Null if it has no samples here: they are in fragments, or there are none. */
  readonly samples: SampleTable | null;
}

export interface Movie {
  readonly tracks: readonly Track[];
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
  let extension: Box | null = null;
  for (const box of boxes(moov, movie.start, movie.end, work)) {
    if (box.type === "mvhd") timescale = readScale(moov, box);
    if (box.type === "mvex") extension = box;
    if (box.type === "trak") tracks.push(readTrack(moov, box, at, work));
    at = box.next;
  }
  const header = extension && findBox(boxes(moov, extension.start, extension.end, work), "mehd");
  const units = header ? readTime(moov, header.start + 4, hasLongTimes(moov, header)) : 0;
  const fragmentSeconds = units > 0 && timescale > 0 ? units / timescale : null;
  return tracks.length > 0 ? { tracks, isFragmented: extension !== null, fragmentSeconds } : null;
}

/** Version 1 of a box has times of 64 bits. */
export function hasLongTimes(bytes: Uint8Array, { start }: Pick<Box, "start">): boolean {
  return bytes[start] === 1;
}

export function readTime(bytes: Uint8Array, at: number, isLong: boolean): number {
  return isLong ? readUint32(bytes, at) * 2 ** 32 + readUint32(bytes, at + 4) : readUint32(bytes, at);
}

/** The timescale of `mvhd` or `mdhd`, behind two times (8.2.2 and 8.4.2). */
function readScale(moov: Uint8Array, box: Box): number {
  return readUint32(moov, box.start + (hasLongTimes(moov, box) ? 20 : 12));
}

function readTrack(moov: Uint8Array, { start, end }: Box, at: number, work: WorkBudget): Track {
  let [id, timescale, duration, isVideo] = [0, 0, 0, false];
  let samples: SampleTable | null = null;
  for (const box of boxes(moov, start, end, work)) {
    if (box.type === "tkhd") id = readUint32(moov, box.start + (hasLongTimes(moov, box) ? 20 : 12));
    if (box.type !== "mdia") continue;
    for (const inner of boxes(moov, box.start, box.end, work)) {
      if (inner.type === "hdlr") isVideo = readText(moov, inner.start + 8, 4) === "vide";
      if (inner.type === "minf") samples = readSampleTable(moov, inner, work);
      if (inner.type !== "mdhd") continue;
      const isLong = hasLongTimes(moov, inner);
      timescale = readScale(moov, inner);
      duration = readTime(moov, inner.start + (isLong ? 24 : 16), isLong);
    }
  }
  return { at, id, isVideo, timescale, duration, samples };
}

function readSampleTable(moov: Uint8Array, minf: Box, work: WorkBudget): SampleTable | null {
  const table = findBox(boxes(moov, minf.start, minf.end, work), "stbl");
  if (!table) return null;
  const found = new Map<string, Box>();
  for (const box of boxes(moov, table.start, table.end, work)) found.set(box.type, box);
  const [times, chunks, sizes] = [found.get("stts"), found.get("stsc"), found.get("stsz")];
  const [short, long] = [found.get("stco"), found.get("co64")];
  const offsets = short ?? long;
  if (!times || !chunks || !sizes || !offsets || readUint32(moov, sizes.start + 8) === 0) return null;
  return { times, chunks, sizes, offsets, offsetBytes: short ? 4 : 8 };
}
