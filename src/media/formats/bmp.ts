import { type Size, createSize } from "../raster.ts";
import { hasAt, readInt32LE, readUint16LE, readUint32LE } from "./bytes.ts";
import type { Row } from "./format.ts";
import { createWholePlan } from "./whole-plan.ts";

/** Microsoft, BITMAPFILEHEADER. */
export const fileHeaderBytes = 14;

/** OS/2 1.x: shorter numbers. */
export const coreHeaderBytes = 12;

/** Reads the size in the header at the offset; null if the header is unknown. A negative height: rows are top down. */
export function readBitmapSize(bytes: Uint8Array, at: number): Size | null {
  const headerBytes = readUint32LE(bytes, at);
  if (headerBytes < coreHeaderBytes || headerBytes > 256 || at + headerBytes > bytes.length) return null;
  if (headerBytes === coreHeaderBytes) return createSize(readUint16LE(bytes, at + 4), readUint16LE(bytes, at + 6));
  return createSize(readInt32LE(bytes, at + 4), Math.abs(readInt32LE(bytes, at + 8)));
}

/** The size of a bitmap in a file of its own. */
export function readBmpSize(head: Uint8Array): Size | null {
  return readBitmapSize(head, fileHeaderBytes);
}

/** Two letters may begin any text, so the header behind them must be one too (Microsoft, BITMAPFILEHEADER). */
function isBmp(head: Uint8Array): boolean {
  const headerBytes = readUint32LE(head, 14);
  return hasAt(head, 0, "BM") && [12, 16, 40, 52, 56, 64, 108, 124].includes(headerBytes);
}

export const bmp = {
  type: "image/bmp",
  kind: "image",
  matches: isBmp,
  aliases: ["image/x-ms-bmp", "image/x-bmp"],
  readSize: readBmpSize,
  plan: createWholePlan({ readSize: readBmpSize, readAnimated: () => false }),
  decoding: {
    setting: "bmp",
    reader: "bmp",
    libraryBytes: 0,
    bytesPerPixel: () => 6,
    nanosecondsPerPixel: () => 50,
    isAnimated: () => false,
  },
} as const satisfies Row;
