import { crc32 } from "node:zlib";
import { type Size, createSize } from "../raster.ts";
import { type WorkBudget, createWorkBudget, hasAt, readText, readUint32 } from "./bytes.ts";
import { isSideways } from "./exif.ts";
import type { Decoding, Header, Row } from "./format.ts";
import type { ReadPlan } from "./plan.ts";
import { foundPreview, isWhole, knownFacts, missingFacts, missingPreview, needMore } from "./received.ts";

const pngSignature = [0x89, 0x50, 0x4e, 0x47, 13, 10, 0x1a, 10];

/** W3C PNG 3, 5.2. */
export function isPng(head: Uint8Array, at = 0): boolean {
  return hasAt(head, at, pngSignature);
}

/** Finds the header chunk: the first one, or the second in Apple's variant (CgBI). */
function pngHeaderAt(head: Uint8Array, at: number): number {
  return at + (hasAt(head, at + 12, "CgBI") ? 8 + 12 + 4 : 8);
}

/** W3C PNG 3, 11.2.1: as stored, whether or not EXIF data turns it. */
export function readPngDimensions(head: Uint8Array, at = 0): Size | null {
  const header = pngHeaderAt(head, at);
  return hasAt(head, header + 4, "IHDR")
    ? createSize(readUint32(head, header + 8), readUint32(head, header + 12))
    : null;
}

interface Chunk {
  readonly type: string;
  readonly start: number;
  readonly end: number;
}

/** W3C PNG 3, 5.3: the chunks one after the other, a step each. */
export function* pngChunks(head: Uint8Array, from: number, work: WorkBudget): Generator<Chunk> {
  for (let at = from; at + 8 <= head.length && work.step();) {
    const end = at + 8 + readUint32(head, at);
    yield { type: readText(head, at + 4, 4), start: at + 8, end };
    at = end + 4; // behind the checksum
  }
}

/** W3C PNG 3, 11.2.1: colour types by the channels that their pixels have; those of a palette are red, green and blue. */
const pngChannels = [1, undefined, 3, 3, 2, undefined, 4];

/**
 * W3C PNG 3, 11.2.1. Null until the pixels begin: the orientation (EXIF, 11.3.3.5) is mostly before them, perhaps after a
 * profile.
 */
export function readPngHeader(head: Uint8Array): Header | null {
  const header = pngHeaderAt(head, 0);
  const stored = readPngDimensions(head);
  const [depth = 0, colourType = 0, , , interlace] = head.subarray(header + 16, header + 21);
  const channels = pngChannels[colourType];
  if (!stored || !channels || head.length < header + 21) return null;
  const work = createWorkBudget();
  let turned: boolean | null = false;
  let transparent = 0;
  for (const { type, start, end } of pngChunks(head, header, work)) {
    if (type === "tRNS") transparent = 1;
    if (type === "eXIf") turned = isSideways(head.subarray(start, end), work);
    if (type !== "IDAT") continue;
    const displayed = turned === null ? null : turned ? createSize(stored.height, stored.width) : stored;
    const bytesAPixel = (channels + transparent) * (depth === 16 ? 2 : 1);
    return displayed && { size: displayed, isProgressive: interlace === 1, bytesAPixel };
  }
  return null;
}

export function readPngSize(head: Uint8Array): Size | null {
  return readPngHeader(head)?.size ?? null;
}

/**
 * Strips the texts of a PNG, and moves EXIF data that follows the pixels before them.
 *
 * @param body is changed
 */
export function preparePng(body: Uint8Array): Uint8Array {
  const kept = withoutTexts(body);
  const late = findLateExif(kept);
  if (!late) return kept;
  const { at, end, imageAt } = late;
  const parts = [kept.subarray(0, imageAt), kept.subarray(at, end), kept.subarray(imageAt, at), kept.subarray(end)];
  return Buffer.concat(parts);
}

/**
 * Finds EXIF data behind the pixels of a whole file: W3C PNG 3 (5.6) allows it there, libvips ignores it there.
 *
 * @returns its chunk from the length to behind the checksum, and the offset of the first image data; null without it, and if
 *   other EXIF data precedes the pixels
 */
function findLateExif(
  body: Uint8Array,
): { readonly at: number; readonly end: number; readonly imageAt: number } | null {
  if (!isPng(body)) return null;
  let imageAt: number | null = null;
  let at = signatureBytes;
  for (let chunks = 0; at + chunkHeaderBytes <= body.length && chunks <= maxImageChunks; chunks += 1) {
    const [type, end] = [readText(body, at + 4, 4), at + chunkHeaderBytes + readUint32(body, at) + checksumBytes];
    if (type === "IDAT") imageAt ??= at;
    if (type === "eXIf") return imageAt !== null && end <= body.length ? { at, end, imageAt } : null;
    at = end;
  }
  return null;
}

/** The size of a whole file: EXIF data behind the pixels turns the picture too. */
function readWholeSize(body: Uint8Array): Size | null {
  const size = readPngSize(body);
  const late = size && findLateExif(body);
  if (!late) return size;
  const exif = body.subarray(late.at + chunkHeaderBytes, late.end - checksumBytes);
  return isSideways(exif, createWorkBudget()) ? createSize(size.height, size.width) : size;
}

/**
 * Strips the texts of a PNG (W3C PNG 3, 11.3.3): decompression bombs, since libpng always inflates them. 8 kB may be
 * 8 MB, a thousand times in a file, and no estimate covers them.
 *
 * @param body is changed: the kept chunks move to its front
 * @returns the part of `body` that is left
 */
export function withoutTexts(body: Uint8Array): Uint8Array {
  if (!hasAt(body, 1, "PNG")) return body;
  let chunk = 8;
  let end = 8; // of the kept chunks
  while (chunk + 12 <= body.length) {
    const next = chunk + 12 + readUint32(body, chunk);
    if (next > body.length) break; // cut off: it stays, to be seen
    if (!["tEXt", "zTXt", "iTXt"].includes(readText(body, chunk + 4, 4))) {
      if (end < chunk) body.copyWithin(end, chunk, next);
      end += next - chunk;
    }
    chunk = next;
  }
  if (end < chunk) body.copyWithin(end, chunk);
  return body.subarray(0, end + body.length - chunk);
}

/** W3C PNG 3, 11.3.6.1: the animation control stands before the first image data. */
function isAnimatedPng(head: Uint8Array): boolean {
  if (!isPng(head)) return false;
  for (const { type } of pngChunks(head, 8, createWorkBudget())) {
    if (type === "acTL") return true;
    if (type === "IDAT" || type === "IEND") return false;
  }
  return false;
}

const apngType = "image/apng";
const signatureBytes = 8;
const chunkHeaderBytes = 8;
const checksumBytes = 4;
// Encoders write 8 to 64 kB a chunk: 512 MB of an image at least. Each takes some 20 ns.
const maxImageChunks = 65_536;

const end = Buffer.from("\0\0\0\0IEND\0\0\0\0", "latin1");
end.writeUInt32BE(crc32(end.subarray(4, 8)), 8);

/** The chunks before the pixels. */
interface Start {
  /** Where the first image data begins, its header included; null if it has not arrived. */
  readonly imageAt: number | null;
  /** Whether it has an animation control, perhaps of one frame. */
  readonly hasControl: boolean;
  /** Frames of the animation, 0 without one. */
  readonly frames: number;
  /** Where the next chunk header ends; null if there are too many chunks or no image. */
  readonly next: number | null;
}

/** W3C PNG 3, 5.6: the animation control stands before the first image data. */
function readStart(head: Uint8Array): Start {
  const work = createWorkBudget();
  let next = signatureBytes + chunkHeaderBytes;
  let frames = 0;
  let hasControl = false;
  for (const chunk of pngChunks(head, signatureBytes, work)) {
    next = chunk.end + 4 + chunkHeaderBytes;
    if (chunk.type === "acTL") [hasControl, frames] = [true, readUint32(head, chunk.start)];
    if (chunk.type === "IDAT") return { imageAt: chunk.start - chunkHeaderBytes, hasControl, frames, next };
    if (chunk.type === "IEND") return { imageAt: null, hasControl, frames, next: null };
  }
  return { imageAt: null, hasControl, frames, next: next > head.length ? next : null };
}

/** Where the image data that begins at a chunk ends; `next` if the header there has not arrived. */
function findImageEnd(head: Uint8Array, imageAt: number): { readonly end: number | null; readonly next: number } {
  let at = imageAt;
  for (let chunks = 0; at + chunkHeaderBytes <= head.length && chunks <= maxImageChunks; chunks += 1) {
    if (readText(head, at + 4, 4) !== "IDAT") return { end: at, next: at };
    at += chunkHeaderBytes + readUint32(head, at) + 4;
  }
  return { end: null, next: at + chunkHeaderBytes };
}

/**
 * Facts up to the first image data. The animation control may lie beyond the sniffed bytes: the type becomes more specific then.
 * EXIF data behind the pixels counts only once the whole file is there: to wait for its end would delay the size of every PNG.
 *
 * The preview of an animation is its default image (W3C PNG 3, 4.9), which is what decoders without animation show.
 */
const plan: ReadPlan = {
  facts(file) {
    const { imageAt, hasControl, frames, next } = readStart(file.prefix);
    const size = isWhole(file) ? readWholeSize(file.prefix) : readPngSize(file.prefix);
    const known = {
      ...size,
      ...(imageAt !== null && { animated: frames > 1 }),
      ...(hasControl && { type: apngType }),
    };
    if (size && imageAt !== null) return knownFacts(known);
    return missingFacts(file, known, imageAt === null && next !== null ? needMore(file, next) : "whole");
  },

  preview(file) {
    const { prefix } = file;
    const start = readStart(prefix);
    if (start.imageAt === null) return missingPreview(file, start.next === null ? "whole" : needMore(file, start.next));
    if (start.frames === 0 || !hasAt(prefix, 1, "PNG")) return missingPreview(file, "whole");
    const image = findImageEnd(prefix, start.imageAt);
    if (image.end !== null) return foundPreview(Buffer.concat([prefix.subarray(0, image.end), end]));
    return missingPreview(file, image.next > prefix.length ? needMore(file, image.next) : "whole");
  },
};

/** An interlaced PNG is decoded whole before it is downscaled. */
const decoding = {
  setting: "png",
  loader: "VipsForeignLoadPng",
  strip: preparePng,
  readHeader: readPngHeader,
  bytesPerPixel: ({ isProgressive, bytesAPixel }) => (isProgressive ? 1.35 : 0.35) * bytesAPixel,
  nanosecondsPerPixel: ({ isProgressive, bytesAPixel }) => (isProgressive ? 10 : 5) * bytesAPixel,
  isAnimated: ({ head }) => readStart(head).frames > 1, // libvips does not count them
} as const satisfies Decoding;

export const apng = {
  type: apngType,
  kind: "image",
  matches: isAnimatedPng,
  aliases: ["image/png", "image/vnd.mozilla.apng"],
  readSize: readPngSize,
  plan,
  decoding,
} as const satisfies Row;

export const png = {
  type: "image/png",
  kind: "image",
  matches: isPng,
  aliases: ["image/x-png", "image/apng", "image/vnd.mozilla.apng"], // the animation control may be beyond the head
  readSize: readPngSize,
  plan,
  decoding,
} as const satisfies Row;
