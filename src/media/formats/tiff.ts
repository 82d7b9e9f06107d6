import { type Size, createSize } from "../raster.ts";
import { any, at, createWorkBudget, hasAt } from "./bytes.ts";
import type { Row } from "./format.ts";
import { createWholePlan } from "./whole-plan.ts";

const [widthTag, heightTag, orientationTag] = [256, 257, 274];
// Bytes of a value by its type (TIFF 6.0, section 2; BigTIFF adds 16): the sizes are of one of these.
const valueBytes: Readonly<Record<number, number>> = { 1: 1, 3: 2, 4: 4, 16: 8 };

/**
 * The size of the first page, turned as its orientation says (TIFF 6.0, section 8); the page may lie anywhere in the body.
 * Null if some of its directory is missing: the orientation stands behind the sizes.
 */
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
  const work = createWorkBudget();
  const end = page + countBytes + read(page, countBytes) * entryBytes;
  if (end > body.length) return null;
  const found = new Map<number, number>();
  for (let entry = page + countBytes; entry + entryBytes <= end && work.step(); entry += entryBytes) {
    const bytes = valueBytes[read(entry + 2, 2)];
    if (bytes) found.set(read(entry, 2), read(entry + 4 + offsetBytes, bytes));
  }
  const [width = 0, height = 0] = [found.get(widthTag), found.get(heightTag)];
  const isTurned = (found.get(orientationTag) ?? 1) >= 5;
  return isTurned ? createSize(height, width) : createSize(width, height);
}

export const tiff = {
  type: "image/tiff",
  kind: "image",
  matches: any(
    at(0, "II*\0"), // TIFF 6.0, section 2
    at(0, "MM\0*"),
    at(0, "II+\0\x08\0\0\0"), // BigTIFF: eight bytes an offset, then zero
    at(0, "MM\0+\0\x08\0\0"),
  ),
  // Camera raw files are TIFF with more in it.
  readSize: readTiffSize,
  refinedBy: /^image\/(?:x-(?:adobe-dng|canon-cr2|nikon-nef|sony-arw|pentax-pef)|tiff-fx)$/,
  plan: createWholePlan({ readSize: readTiffSize, readAnimated: () => false }),
  decoding: {
    setting: "tiff",
    loader: "VipsForeignLoadTiff",
    bytesPerPixel: ({ bytesAPixel }) => 0.3 * bytesAPixel,
    nanosecondsPerPixel: ({ bytesAPixel }) => 6 * bytesAPixel,
    isAnimated: () => false,
  },
} as const satisfies Row;
