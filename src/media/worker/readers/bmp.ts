import { fileHeaderBytes } from "../../formats/bmp.ts";
import { readUint32LE } from "../../formats/bytes.ts";
import { type Reader, type Shown, UnreadableError } from "../reader.ts";
import { embeddedPicture, readBitmap, readBitmapPixels } from "./bitmap.ts";

/** Windows and OS/2 bitmaps: 1 to 32 bits a pixel, palettes, masks, runs. */
export const reader: Reader = {
  // eslint-disable-next-line @typescript-eslint/require-await -- what it throws is a rejection
  show: async (body) => show(body),
};

function show(body: Uint8Array): Shown {
  const bitmap = readBitmap(body, fileHeaderBytes);
  if (!bitmap) throw new UnreadableError("not a bitmap");
  const at = readUint32LE(body, 10);
  const picture = embeddedPicture(body, bitmap, at);
  return picture ? { picture } : { raster: readBitmapPixels(body, bitmap, at) };
}
