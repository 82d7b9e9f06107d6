import { type Size, createSize } from "../raster.ts";
import { any, at, hasAt, readUint16LE } from "./bytes.ts";
import type { Row } from "./format.ts";
import type { ReadPlan } from "./plan.ts";
import { foundPreview, isWhole, knownFacts, missingFacts, missingPreview, needMore } from "./received.ts";

/**
 * The logical screen (GIF89a specification, 18), or as much as the first image (20) needs, as in browsers.
 *
 * @returns null until the first image has arrived
 */
export function readGifSize(head: Uint8Array): Size | null {
  return sizeIn(head, findImages(head));
}

function sizeIn(head: Uint8Array, { firstAt, end }: Images): Size | null {
  if (head.length < screenEnd || (firstAt === null && end === "more")) return null;
  const [width, height] = [readUint16LE(head, 6), readUint16LE(head, 8)];
  if (firstAt === null) return createSize(width, height);
  const side = (offset: number) => readUint16LE(head, firstAt + offset) + readUint16LE(head, firstAt + offset + 4);
  return createSize(Math.max(width, side(1)), Math.max(height, side(3)));
}

// GIF89a specification: 23 the trailer, 20 the image descriptor, 24 to 26 extensions.
const [trailer, imageDescriptor, extension] = [0x3b, 0x2c, 0x21];
const descriptorBytes = 10;
// The label and the size of a graphic control extension (23); the first of its flags says that a colour is transparent.
const graphicControl = [0xf9, 4];
// Colour tables stand behind the descriptors with this flag (18 and 20).
const hasTable = 0x80;
// Behind the signature, 17, and the logical screen descriptor, 18.
const screenEnd = 13;

// A step skips a sub-block of at most 255 bytes and takes 2 to 4 ns: a frame of 2 MB has 8,000, and the 2^20 are 267 MB of
// encoder's blocks, more than a body may have, or 2 MB of hostile ones of a byte, in 4 ms.
const maxSteps = 2 ** 20;

interface Images {
  /** Where the first image descriptor begins; null if it has not arrived whole. */
  readonly firstAt: number | null;
  /** Where the first image ends; null if its end has not arrived. */
  readonly firstEnd: number | null;
  /** Whether there is a second; null if that is not known from these bytes. */
  readonly animated: boolean | null;
  /** Whether any image so far has a transparent colour: libvips takes all of them as transparent then. */
  readonly isTransparent: boolean;
  /** `more`: the walk continues with more bytes; `unknown`: these are no blocks of a GIF, or too many. */
  readonly end: "trailer" | "more" | "unknown";
}

function tableBytes(flags: number): number {
  return (flags & hasTable) === 0 ? 0 : 3 * 2 ** ((flags & 7) + 1);
}

/** Walks the blocks: up to the trailer, or until the second image and transparency are known. */
function findImages(head: Uint8Array): Images {
  let firstAt: number | null = null;
  let firstEnd: number | null = null;
  let animated: boolean | null = null;
  let isTransparent = false;
  let steps = 0;
  let at = screenEnd + tableBytes(head[screenEnd - 3] ?? 0);
  while (at < head.length && !(animated && isTransparent)) {
    const block = head[at];
    if (block === imageDescriptor && at + descriptorBytes <= head.length) firstAt ??= at;
    if (block === trailer) return { firstAt, firstEnd, animated: animated ?? false, isTransparent, end: "trailer" };
    if (block !== imageDescriptor && block !== extension)
      return { firstAt, firstEnd, animated, isTransparent, end: "unknown" };
    if (block === imageDescriptor && firstEnd !== null) animated = true;
    if (hasAt(head, at, [extension, ...graphicControl])) isTransparent ||= ((head[at + 3] ?? 0) & 1) !== 0;
    // A descriptor, its colours and the size of a code; or a label (22 and 23).
    at += block === extension ? 2 : descriptorBytes + tableBytes(head[at + descriptorBytes - 1] ?? 0) + 1;
    let bytes = head[at] ?? 0;
    for (; bytes !== 0 && steps < maxSteps; steps += 1) {
      at += 1 + bytes;
      bytes = head[at] ?? 0;
    }
    at += 1; // the block of no bytes that ends the list
    if ((steps += 1) > maxSteps) return { firstAt, firstEnd, animated, isTransparent, end: "unknown" };
    if (at <= head.length && block === imageDescriptor) firstEnd ??= at;
  }
  return { firstAt, firstEnd, animated, isTransparent, end: "more" };
}

// A second image of one transparent pixel, in two colours of its own.
const transparentImage = Buffer.from(
  "!\xf9\x04\x01\0\0\0\0,\0\0\0\0\x01\0\x01\0\x80\0\0\0\0\0\0\x02\x02\x44\x01\0",
  "latin1",
);

/** The file through its first image. libvips downscales transparent pictures by another filter. */
function makeExcerpt(head: Uint8Array, firstEnd: number, isTransparent: boolean): Uint8Array {
  const second = isTransparent ? transparentImage : new Uint8Array();
  return Buffer.concat([head.subarray(0, firstEnd), second, Uint8Array.of(trailer)]);
}

/** The facts up to the second image; the preview through the first one, which later ones do not change. */
const plan: ReadPlan = {
  facts(file) {
    const images = findImages(file.prefix);
    const size = sizeIn(file.prefix, images);
    const { firstEnd, animated, end } = images;
    // Some encoders write no trailer.
    const isOnlyOne = animated === null && firstEnd !== null && end === "more" && isWhole(file);
    const isAnimated = isOnlyOne ? false : firstEnd === null ? null : animated;
    const known = { ...size, ...(isAnimated !== null && { animated: isAnimated }) };
    if (size && isAnimated !== null) return knownFacts(known);
    return missingFacts(file, known, end === "more" ? needMore(file) : "whole");
  },

  preview(file) {
    const { prefix } = file;
    const { firstEnd, isTransparent, end } = findImages(prefix);
    if (firstEnd === null || !hasAt(prefix, 0, "GIF8"))
      return missingPreview(file, end === "more" ? needMore(file) : "whole");
    const bytes = makeExcerpt(prefix, firstEnd, isTransparent);
    if (isTransparent || end === "trailer" || (end === "more" && isWhole(file))) return foundPreview(bytes);
    return missingPreview(file, end === "more" ? needMore(file) : "whole", { bytes, accuracy: "close" });
  },
};

export const gif = {
  type: "image/gif",
  kind: "image",
  matches: any(at(0, "GIF87a"), at(0, "GIF89a")), // GIF89a specification, 17
  readSize: readGifSize,
  plan,
  decoding: {
    setting: "gif",
    loader: "VipsForeignLoadNsgif",
    bytesPerPixel: () => 4.8,
    nanosecondsPerPixel: () => 15,
    isAnimated: ({ pages }) => pages > 1,
  },
} as const satisfies Row;
