import { hasAt, readUint16LE, readUint32LE } from "./bytes.ts";
import { readBitmap } from "./bmp.ts";
import type { Size } from "./pixels.ts";
import { isPng, readPngSize } from "./size.ts";

/** A picture of an icon, or of a cursor. */
export interface IconPicture extends Size {
  /** A PNG file, or a bitmap without its file's header. */
  readonly bytes: Uint8Array;
}

/** An icon or a cursor: a count, then entries of 16 bytes with a reserved zero, whose pictures lie behind the list. */
export function isIcon(head: Uint8Array): boolean {
  if (!hasAt(head, 0, [0, 0, 1, 0]) && !hasAt(head, 0, [0, 0, 2, 0])) return false; // Microsoft, ICONDIR
  const count = readUint16LE(head, 4);
  return count > 0 && head[9] === 0 && readUint32LE(head, 18) >= 6 + 16 * count && readUint32LE(head, 14) > 0;
}

const maxPictures = 1024;

/** The largest picture; of equals the one with the most bytes, which has the most colours. Null where none lies in the bytes. */
export function largestPicture(body: Uint8Array): IconPicture | null {
  let largest: IconPicture | null = null;
  const count = Math.min(maxPictures, readUint16LE(body, 4));
  for (let entry = 6; entry < 6 + 16 * count; entry += 16) {
    const [byteCount, at] = [readUint32LE(body, entry + 8), readUint32LE(body, entry + 12)];
    const bytes = body.subarray(at, at + byteCount);
    // Files are made whose list says something else than the picture does.
    const declared = { width: side(body[entry]), height: side(body[entry + 1]) };
    const picture = { ...(sizeOf(bytes) ?? declared), bytes };
    if (!largest || isLarger(picture, largest)) largest = picture;
  }
  return largest;
}

/** A byte cannot say 256, and says 0. */
function side(byte: number | undefined): number {
  return byte === undefined || byte === 0 ? 256 : byte;
}

function isLarger(one: IconPicture, other: IconPicture): boolean {
  const difference = one.width * one.height - other.width * other.height;
  return difference > 0 || (difference === 0 && one.bytes.length > other.bytes.length);
}

function sizeOf(bytes: Uint8Array): Size | null {
  if (isPng(bytes)) return readPngSize(bytes);
  const bitmap = readBitmap(bytes, 0);
  return bitmap && { width: bitmap.width, height: iconHeight(bitmap) };
}

/** Its bitmap is twice as high as the picture: below lies the mask. */
export function iconHeight({ height }: Size): number {
  return Math.max(1, height >> 1);
}

export function readIconSize(body: Uint8Array): Size | null {
  const picture = largestPicture(body);
  return picture && { width: picture.width, height: picture.height };
}
