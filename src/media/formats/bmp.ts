import { type Size, createSize } from "../raster.ts";
import { readInt32LE, readUint16LE, readUint32LE } from "./bytes.ts";

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
