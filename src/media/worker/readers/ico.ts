import { iconHeight, largestPicture } from "../../formats/ico.ts";
import { isPng } from "../../formats/png.ts";
import type { Raster } from "../../raster.ts";
import { type Reader, type Shown, UnreadableError } from "../reader.ts";
import { type Bitmap, readBitmap, readBitmapPixels, rowBytes } from "./bitmap.ts";

/** Windows icons and cursors: the largest picture. */
export const reader: Reader = {
  // eslint-disable-next-line @typescript-eslint/require-await -- what it throws is a rejection
  show: async (body) => show(body),
};

function show(body: Uint8Array): Shown {
  const bytes = largestPicture(body)?.bytes ?? body.subarray(0, 0);
  if (isPng(bytes)) return { picture: bytes };
  const doubled = readBitmap(bytes, 0);
  if (!doubled) throw new UnreadableError("no bitmap");
  const bitmap = { ...doubled, height: iconHeight(doubled), masks: masksOf(doubled) };
  const { palette } = bitmap;
  const pixelsAt = palette.at + palette.colours * palette.bytes;
  const raster = readBitmapPixels(bytes, bitmap, pixelsAt);
  const maskAt = pixelsAt + rowBytes(bitmap.width, bitmap.bitsAPixel) * bitmap.height;
  // With 32 bits the mask counts only where the fourth byte was left empty.
  if (bitmap.bitsAPixel < 32 || !hasOpacity(raster)) applyMask(bytes, bitmap, maskAt, raster);
  return { raster };
}

/** In an icon the fourth byte is the opacity. */
function masksOf({ bitsAPixel, masks }: Bitmap): readonly number[] {
  return bitsAPixel === 32 ? [...masks.slice(0, 3), 0xff000000] : masks;
}

function hasOpacity({ rgba }: Raster): boolean {
  for (let at = 3; at < rgba.length; at += 4) if (rgba[at] !== 0) return true;
  return false;
}

/** A bit a pixel: set where the picture is transparent. A mask that is missing hides nothing. */
function applyMask(bytes: Uint8Array, { width, isTopDown }: Bitmap, at: number, { height, rgba }: Raster): void {
  const stride = rowBytes(width, 1);
  for (let row = 0; row < height; row += 1) {
    const from = at + (isTopDown ? row : height - 1 - row) * stride;
    for (let x = 0; x < width; x += 1) {
      const isHidden = (((bytes[from + (x >> 3)] ?? 0) >> (7 - (x & 7))) & 1) === 1;
      rgba[(row * width + x) * 4 + 3] = isHidden ? 0 : 255;
    }
  }
}
