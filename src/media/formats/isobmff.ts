import { type WorkBudget, asBuffer, createWorkBudget, memoized, readText, readUint32 } from "./bytes.ts";
import type { ReceivedFile } from "./plan.ts";
import { clampToFile, readRange } from "./received.ts";

/** A box of an ISO base media file: its type and where its content lies, cut where the head ends. */
export interface Box {
  readonly type: string;
  readonly start: number;
  readonly end: number;
  /** Whether all of the content is in the head. */
  readonly isWhole: boolean;
  /** Where the next one begins, in the head or behind it; Infinity where this one is the last. */
  readonly next: number;
}

// A size and a type; in a large box, the size follows in 64 bits (ISO/IEC 14496-12, 4.2.2).
const [smallHeaderBytes, largeHeaderBytes] = [8, 16];

/** The size of a box with its header: Infinity if it is the last one; null if it is none, since it would not move on. */
function readBoxSize(head: Uint8Array, at: number): number | null {
  const declared = readUint32(head, at);
  if (declared === 0) return Infinity;
  if (declared !== 1) return declared < smallHeaderBytes ? null : declared;
  const large = readUint32(head, at + 8) * 2 ** 32 + readUint32(head, at + 12);
  return large < largeHeaderBytes ? null : large;
}

/** The boxes one after the other, a step each; ends at the first that cannot be one (ISO/IEC 14496-12, 4.2). */
export function* boxes(head: Uint8Array, from: number, to: number, work: WorkBudget): Generator<Box> {
  let at = from;
  while (at + smallHeaderBytes <= to && work.step()) {
    const size = readBoxSize(head, at);
    if (size === null) return;
    const isLarge = readUint32(head, at) === 1;
    yield {
      type: readText(head, at + 4, 4),
      start: at + (isLarge ? largeHeaderBytes : smallHeaderBytes),
      end: Math.min(at + size, to),
      isWhole: at + size <= to,
      next: at + size,
    };
    at += size;
  }
}

function* contents(head: Uint8Array, outer: Iterable<Box>, type: string, work: WorkBudget): Generator<Box> {
  for (const box of outer) if (box.type === type) yield* boxes(head, box.start, box.end, work);
}

/** The first box of all; undefined if the head does not begin with one. */
function readFirstBox(head: Uint8Array): Box | undefined {
  const [first] = boxes(head, 0, head.length, createWorkBudget());
  return first;
}

/** The first box of a type; reads no further. */
export function findBox(list: Iterable<Box>, type: string): Box | undefined {
  for (const box of list) if (box.type === type) return box;
  return undefined;
}

/** A box at the top level of a file. */
export interface FileBox {
  readonly type: string;
  /** Offset of the next box; Infinity if this one is the last, null if it is no box: its length would not move on. */
  readonly next: number | null;
}

/** Reads the header of the box at an offset of a file (ISO/IEC 14496-12, 4.2); null if it has not arrived. */
export function readFileBox(file: ReceivedFile, at: number): FileBox | null {
  const header = readRange(file, at, clampToFile(file, at + largeHeaderBytes));
  if (!header) return null;
  const size = header.length < smallHeaderBytes ? null : readBoxSize(header, 0);
  return { type: readText(header, 4, 4), next: size && at + size };
}

/** The major brand, then the compatible ones; none where the file does not begin with a file type box. */
export function readBrands(head: Uint8Array): string[] {
  const work = createWorkBudget();
  const first = readFirstBox(head);
  if (first?.type !== "ftyp" || first.start + 4 > head.length) return [];
  const brands = [readText(head, first.start, 4)];
  // A version between.
  for (let at = first.start + 8; at + 4 <= first.end && work.step(); at += 4) brands.push(readText(head, at, 4));
  return brands;
}

/** Memoized: several formats need the brands within one sniff, whose head is an object of its own. */
export const brandsIn = memoized(readBrands);

/** The type of the first box, or an empty text. */
export function firstBox(head: Uint8Array): string {
  return readFirstBox(head)?.type ?? "";
}

/** Joins the beginning and the end of a larger file to one with the same header, but without the media. */
export function withoutMedia(head: Uint8Array, tail: Uint8Array): Uint8Array {
  const first = readFirstBox(head);
  return Buffer.concat([head.subarray(0, first?.type === "ftyp" ? first.next : 0), tail]);
}

/** What tracks a movie has, as far as the head shows: null where it does not show all of them. */
export interface Tracks {
  readonly hasVideo: boolean | null;
  readonly hasAudio: boolean | null;
}

// Codecs of a still picture: QuickTime's own; JPEG and PNG as MPEG-4 visual streams (ISO/IEC 14496-1, 7.2.6.6.2).
const stillCodecs = ["jpeg", "png "];
const [mpeg4Visual, stillObjectTypes] = ["mp4v", [0x6c, 0x6d]];

/** Reads the handler of each track (ISO/IEC 14496-12, 8.4.3): `vide` or `soun` among others. A cover is no video. */
export function readTracks(head: Uint8Array): Tracks {
  const work = createWorkBudget();
  const movie = findBox(boxes(head, 0, head.length, work), "moov");
  if (!movie) return { hasVideo: null, hasAudio: null };
  const handlers: string[] = [];
  for (const track of boxes(head, movie.start, movie.end, work)) {
    if (track.type !== "trak") continue;
    const media = [...contents(head, boxes(head, track.start, track.end, work), "mdia", work)];
    const handler = findBox(media, "hdlr");
    if (!handler) continue;
    const name = readText(head, handler.start + 8, 4);
    if (name === "vide" && track.isWhole && isCover(head, media, work)) continue;
    handlers.push(name);
  }
  const unseen = movie.isWhole ? false : null;
  return {
    hasVideo: handlers.includes("vide") || unseen,
    hasAudio: handlers.includes("soun") || unseen,
  };
}

/** Whether a track is one still picture, such as the cover of a song. */
function isCover(head: Uint8Array, media: readonly Box[], work: WorkBudget): boolean {
  const table = [...contents(head, contents(head, media, "minf", work), "stbl", work)];
  const [sizes, description] = [findBox(table, "stsz"), findBox(table, "stsd")];
  if (!sizes || !description || readUint32(head, sizes.start + 8) !== 1) return false;
  const codec = readText(head, description.start + 12, 4);
  return stillCodecs.includes(codec) || (codec === mpeg4Visual && isStillObject(head, description));
}

/** Whether the elementary stream descriptor of `mp4v` is of a still picture. */
function isStillObject(head: Uint8Array, description: Box): boolean {
  const entry = asBuffer(head.subarray(description.start, description.end));
  const at = entry.indexOf("esds");
  // Behind version and flags: two descriptors with lengths of one to four bytes, the second one is the decoder's.
  for (let tag = at + 8; at >= 0 && tag < Math.min(entry.length, at + 32); tag += 1) {
    if (entry[tag] !== 4) continue;
    let type = tag + 1;
    while (((entry[type] ?? 0) & 0x80) !== 0) type += 1;
    return stillObjectTypes.includes(entry[type + 1] ?? 0);
  }
  return false;
}

/** Makes a box of a type and a content, one character a byte. */
export function box(type: string, content: string): Uint8Array {
  const bytes = Buffer.from(`\0\0\0\0${type}${content}`, "latin1");
  bytes.writeUInt32BE(bytes.length);
  return bytes;
}
