import { type Size, createSize } from "../raster.ts";
import { createWorkBudget, hasAt, readUint16LE, readUint32LE } from "./bytes.ts";
import type { Row } from "./format.ts";
import type { Excerpt, ReadPlan, ReceivedFile } from "./plan.ts";
import { foundPreview, isWhole, knownFacts, missingFacts, missingPreview, needMore, needPrefix } from "./received.ts";
import { chunkHeaderBytes, formHeaderBytes, readRiffChunk, riff } from "./riff.ts";

/** RFC 9649: 2.7 the extended header, 3.4 lossless, and RFC 6386 9.1 for lossy. */
export function readWebpSize(head: Uint8Array): Size | null {
  const [a = 0, b = 0, c = 0, d = 0] = head.subarray(21, 25);
  if (hasAt(head, 12, "VP8L") && head[20] === 0x2f && head.length >= 25) {
    return createSize(1 + a + ((b & 0x3f) << 8), 1 + (b >> 6) + (c << 2) + ((d & 15) << 10));
  }
  if (hasAt(head, 12, "VP8 ") && hasAt(head, 23, [0x9d, 1, 0x2a])) {
    return createSize(readUint16LE(head, 26) & 0x3fff, readUint16LE(head, 28) & 0x3fff);
  }
  // Its orientation stands behind the picture.
  const hasExif = ((head[20] ?? 0) & 8) !== 0;
  if (!hasAt(head, 12, "VP8X") || hasExif || head.length < 30) return null;
  return createSize(
    1 + readUint16LE(head, 24) + (head[26] ?? 0) * 65536,
    1 + readUint16LE(head, 27) + (head[29] ?? 0) * 65536,
  );
}

const frameHeaderBytes = 16;
// RFC 9649, 2.7.1: flags of the extended header.
const [alphaFlag, exifFlag, animationFlag] = [16, 8, 2];

/** The chunks of a file as far as they have arrived; ends are positions, of chunks that may not have arrived. */
interface Chunks {
  readonly isAnimation: boolean;
  /** The end of everything that the preview is made of; null if it is not known yet. */
  readonly previewEnd: number | null;
  /** Of an animation. */
  readonly frames: number;
  /** Whether libvips takes an animation as transparent: by its flag, or because a frame is smaller than the canvas. */
  readonly isTransparent: boolean;
  /** Whether all chunks have been walked over. */
  readonly isEnded: boolean;
  /** The end of the next header; null if no more are read, or if there are too many chunks. */
  readonly next: number | null;
}

/** RFC 9649, 2.3 to 2.7. Reads two frames of an animation, and more until one shows that it is transparent. */
function readChunks(head: Uint8Array): Chunks {
  const work = createWorkBudget();
  const { end: riffEnd } = readRiffChunk(head, 0);
  const header = formHeaderBytes + chunkHeaderBytes;
  const flags = hasAt(head, formHeaderBytes, "VP8X") ? (head[header] ?? 0) : 0;
  const isAnimation = (flags & animationFlag) !== 0;
  let isTransparent = (flags & alphaFlag) !== 0;
  // EXIF data behind the image turns it.
  let exifEnd = (flags & exifFlag) === 0 ? 0 : null;
  let imageEnd: number | null = null;
  let frames = 0;
  let at = formHeaderBytes;
  let isLast = false;
  let isEnded = false;
  while (!isLast && at + chunkHeaderBytes <= head.length) {
    const { type, next: end } = readRiffChunk(head, at);
    if (!work.step()) isLast = true;
    else if (end > riffEnd + 1) isLast = isEnded = true;
    else if (isAnimation && type === "ANMF") {
      if (at + chunkHeaderBytes + frameHeaderBytes > head.length) break;
      frames += 1;
      imageEnd ??= end;
      // Both sizes are two numbers of 24 bits, less one.
      isTransparent ||= Buffer.compare(head.subarray(at + 14, at + 20), head.subarray(header + 4, header + 10)) !== 0;
    } else if (!isAnimation && (type === "VP8 " || type === "VP8L")) imageEnd ??= end;
    else if (type === "EXIF") exifEnd ??= end;
    at = end;
    if (end >= riffEnd) isLast = isEnded = true;
    if (frames > 1 && isTransparent) isLast = true;
  }
  const previewEnd = imageEnd === null || exifEnd === null ? null : Math.max(imageEnd, exifEnd);
  const next = isLast ? null : at + chunkHeaderBytes + (isAnimation ? frameHeaderBytes : 0);
  return { isAnimation, previewEnd, frames, isTransparent, isEnded, next };
}

// RFC 9649, 3.4 and 3.7.2: a lossless image whose codes have one symbol each, so that no pixel takes a bit. It has 14 bits
// for each side.
const plainImage = Buffer.from("VP8L\x0e\0\0\0/\0\0\0\0\x07\x10\x11\xfd\x0fDD\xff\x03", "latin1");
const sizeAt = 9;
const maxSide = 2 ** 14;

/**
 * Makes a second frame of one colour. libvips downscales a file of one frame while it decodes, by another filter; and it
 * takes another one for transparent pictures.
 *
 * @returns null if the canvas is larger than such an image
 */
function plainFrame(head: Uint8Array, isTransparent: boolean): Uint8Array | null {
  // 24 bits each, less one, behind the flags.
  const canvasAt = formHeaderBytes + chunkHeaderBytes + 4;
  const [width, height] = isTransparent
    ? [0, 0]
    : [readUint32LE(head, canvasAt) % 2 ** 24, readUint32LE(head, canvasAt + 3) % 2 ** 24];
  if (width >= maxSide || height >= maxSide) return null;
  const frame = Buffer.concat([Buffer.from("ANMF\0\0\0\0", "latin1"), Buffer.alloc(frameHeaderBytes), plainImage]);
  frame.writeUInt32LE(frame.length - chunkHeaderBytes, 4);
  frame.writeUIntLE(width, 14, 3);
  frame.writeUIntLE(height, 17, 3);
  frame.writeUInt32LE(width + height * maxSide, chunkHeaderBytes + frameHeaderBytes + sizeAt);
  return frame;
}

/** The excerpt, once its bytes have arrived: the beginning, whose header says where it ends (RFC 9649, 2.4). */
function readExcerpt({ prefix }: ReceivedFile, chunks: Chunks): Excerpt | null {
  const { previewEnd, isAnimation, frames, isTransparent, isEnded } = chunks;
  if (previewEnd === null || previewEnd > prefix.length || (isAnimation && frames < 2)) return null;
  const second = isAnimation ? plainFrame(prefix, isTransparent) : new Uint8Array();
  if (!second) return null;
  const bytes = Buffer.concat([prefix.subarray(0, previewEnd), second]);
  bytes.writeUInt32LE(bytes.length - chunkHeaderBytes, 4);
  return { bytes, accuracy: !isAnimation || isTransparent || isEnded ? "exact" : "close" };
}

function readAnimated({ isAnimation, frames, isEnded }: Chunks): boolean | null {
  if (!isAnimation || frames > 1) return isAnimation;
  return isEnded ? false : null; // one frame is no animation
}

// Before these no parser sees the whole extended header, or the size in an image chunk.
const leastBytes = 30;

/**
 * Facts in the first header, except that an animation is known at its second frame, and the orientation behind the image.
 *
 * The preview is the image chunk, or the first frame of an animation with the canvas that it lies on.
 */
const plan: ReadPlan = {
  facts(file) {
    const { prefix } = file;
    if (prefix.length < leastBytes) return missingFacts(file, {}, needMore(file));
    const chunks = readChunks(prefix);
    const size = readWebpSize(prefix);
    const animated = readAnimated(chunks);
    const known = { ...size, ...(animated !== null && { animated }) };
    if (size && animated !== null) return knownFacts(known);
    const excerpt = size ? null : readExcerpt(file, chunks);
    if (excerpt && animated !== null) return { known, measurable: excerpt.bytes, need: null };
    return missingFacts(file, known, chunks.next === null ? "whole" : needMore(file, chunks.next));
  },

  preview(file) {
    const { prefix } = file;
    const chunks = readChunks(prefix);
    const excerpt = hasAt(prefix, 8, "WEBP") ? readExcerpt(file, chunks) : null;
    if (excerpt?.accuracy === "exact") return foundPreview(excerpt.bytes);
    const { previewEnd, isAnimation, next } = chunks;
    if (previewEnd !== null && previewEnd > prefix.length && !isAnimation && !isWhole(file))
      return missingPreview(file, needPrefix(file, previewEnd));
    return missingPreview(file, next === null ? "whole" : needMore(file, next), excerpt);
  },
};

export const webp = {
  type: "image/webp",
  kind: "image",
  matches: riff("WEBP"), // RFC 9649 2.4
  readSize: readWebpSize,
  plan,
  decoding: {
    setting: "webp",
    loader: "VipsForeignLoadWebp",
    // 4.3 if lossless, 2.4 with alpha; both have another first chunk than a plain lossy one.
    bytesPerPixel: ({ head }) => (hasAt(head, 12, "VP8 ") ? 0.05 : 4.3),
    nanosecondsPerPixel: () => 30,
    isAnimated: ({ pages }) => pages > 1,
  },
} as const satisfies Row;
