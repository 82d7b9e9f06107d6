import { hasAt } from "./bytes.ts";
import type { Size } from "./pixels.ts";

const [widthTag, heightTag, orientationTag] = [256, 257, 274];
// Bytes of a value by its type (TIFF 6.0, section 2; BigTIFF adds 16): the sizes are of one of these.
const valueBytes: Readonly<Record<number, number>> = { 1: 1, 3: 2, 4: 4, 16: 8 };
const maxEntries = 4096;

/** The size of the first page, turned as its orientation says (TIFF 6.0, section 8); the page may lie anywhere in the body. */
export function readTiffSize(body: Uint8Array): Size | null {
  const isLittle = hasAt(body, 0, "II");
  const read = (at: number, bytes: number): number => {
    let value = 0;
    for (let index = 0; index < bytes; index += 1) {
      value = value * 256 + (body[isLittle ? at + bytes - 1 - index : at + index] ?? 0);
    }
    return value;
  };
  const isBig = read(2, 2) === 43;
  const [offsetBytes, countBytes, entryBytes] = isBig ? [8, 8, 20] : [4, 2, 12];
  const page = isBig ? read(8, 8) : read(4, 4);
  const count = Math.min(maxEntries, read(page, countBytes));
  const found = new Map<number, number>();
  for (let index = 0; index < count; index += 1) {
    const entry = page + countBytes + index * entryBytes;
    if (entry + entryBytes > body.length) break;
    const bytes = valueBytes[read(entry + 2, 2)];
    if (bytes) found.set(read(entry, 2), read(entry + 4 + offsetBytes, bytes));
  }
  const [width = 0, height = 0] = [found.get(widthTag), found.get(heightTag)];
  if (width === 0 || height === 0) return null;
  const isTurned = (found.get(orientationTag) ?? 1) >= 5;
  return isTurned ? { width: height, height: width } : { width, height };
}
