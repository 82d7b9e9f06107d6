import { crc32 } from "node:zlib";
import { createWorkBudget, hasAt, readText, readUint32 } from "../bytes.ts";
import type { ReadPlan } from "../plan.ts";
import { pngChunks, readPngSize } from "../png.ts";
import { foundPreview, knownFacts, missingFacts, missingPreview, needMore } from "./received.ts";

const signatureBytes = 8;
const chunkHeaderBytes = 8;
// Encoders write 8 to 64 kB a chunk: 512 MB of an image at least. Each takes some 20 ns.
const maxImageChunks = 65_536;

const end = Buffer.from("\0\0\0\0IEND\0\0\0\0", "latin1");
end.writeUInt32BE(crc32(end.subarray(4, 8)), 8);

/** The chunks before the pixels. */
interface Start {
  /** Where the first image data begins, its header included; null if it has not arrived. */
  readonly imageAt: number | null;
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
  for (const chunk of pngChunks(head, signatureBytes, work)) {
    next = chunk.end + 4 + chunkHeaderBytes;
    if (chunk.type === "acTL") frames = readUint32(head, chunk.start);
    if (chunk.type === "IDAT") return { imageAt: chunk.start - chunkHeaderBytes, frames, next };
    if (chunk.type === "IEND") return { imageAt: null, frames, next: null };
  }
  return { imageAt: null, frames, next: next > head.length ? next : null };
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
 * Facts up to the first image data. EXIF data behind it does not turn the picture: libvips ignores it too.
 *
 * The preview of an animation is its default image (W3C PNG 3, 4.9), which is what decoders without animation show.
 */
export const pngPlan: ReadPlan = {
  facts(file) {
    const { imageAt, frames, next } = readStart(file.prefix);
    const size = readPngSize(file.prefix);
    const known = { ...size, ...(imageAt !== null && { animated: frames > 1 }) };
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
