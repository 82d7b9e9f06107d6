import { type Size, createSize } from "../raster.ts";
import { type WorkBudget, createWorkBudget, hasAt, readText, readUint32 } from "./bytes.ts";
import { isSideways } from "./exif.ts";
import type { Decoding, Header, Row } from "./format.ts";

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
 * W3C PNG 3, 11.2.1. Null until the pixels begin: the orientation (EXIF, 11.3.3.5) is somewhere before, perhaps after a
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

/** An interlaced PNG is decoded whole before it is downscaled. */
const decoding = {
  setting: "png",
  loader: "VipsForeignLoadPng",
  strip: withoutTexts,
  readHeader: readPngHeader,
  bytesPerPixel: ({ isProgressive, bytesAPixel }) => (isProgressive ? 1.35 : 0.35) * bytesAPixel,
  nanosecondsPerPixel: ({ isProgressive, bytesAPixel }) => (isProgressive ? 10 : 5) * bytesAPixel,
  isAnimated: () => false,
} as const satisfies Decoding;

export const apng = {
  type: "image/apng",
  kind: "image",
  matches: isAnimatedPng,
  aliases: ["image/png", "image/vnd.mozilla.apng"],
  readSize: readPngSize,
  decoding: { ...decoding, isAnimated: () => true },
} as const satisfies Row;

export const png = {
  type: "image/png",
  kind: "image",
  matches: isPng,
  aliases: ["image/x-png"],
  readSize: readPngSize,
  decoding,
} as const satisfies Row;
