import { type Size, createSize } from "../raster.ts";
import { readBitmapSize } from "./bmp.ts";
import { hasAt, readUint16LE, readUint32LE } from "./bytes.ts";
import type { Row } from "./format.ts";
import { isPng, readPngDimensions, readPngSize } from "./png.ts";
import { createWholePlan } from "./whole-plan.ts";

/** A picture of an icon, or of a cursor. */
export interface IconPicture extends Size {
  /** A PNG file, or a bitmap without its file's header. */
  readonly bytes: Uint8Array;
}

/**
 * An icon or a cursor: a count, then entries of 16 bytes, whose pictures lie behind the list. The reserved byte of an entry is
 * zero; .NET writes 255.
 */
export function isIcon(head: Uint8Array): boolean {
  if (!hasAt(head, 0, [0, 0, 1, 0]) && !hasAt(head, 0, [0, 0, 2, 0])) return false; // Microsoft, ICONDIR
  const count = readUint16LE(head, 4);
  const isReserved = head[9] === 0 || head[9] === 255;
  return count > 0 && isReserved && readUint32LE(head, 18) >= 6 + 16 * count && readUint32LE(head, 14) > 0;
}

// Real icons have a dozen.
const maxPictures = 1024;

/**
 * The largest picture; of equals the one with the most bytes, which has the most colours. Null if the list is empty.
 *
 * Of each entry only the first bytes of its picture are read: all entries may point at the same PNG of thousands of chunks.
 */
export function largestPicture(body: Uint8Array): IconPicture | null {
  let largest: Size | null = null;
  let [start, byteCount, area] = [0, 0, 0];
  const count = Math.min(maxPictures, readUint16LE(body, 4));
  for (let entry = 6; entry < 6 + 16 * count; entry += 16) {
    const at = readUint32LE(body, entry + 12);
    const available = Math.max(0, Math.min(readUint32LE(body, entry + 8), body.length - at));
    // Files are made whose list says something else than the picture does.
    const size = (available < leastHeaderBytes ? null : sizeAt(body, at)) ?? declaredSize(body, entry);
    const entryArea = size.width * size.height;
    if (entryArea < area || (entryArea === area && available <= byteCount && largest)) continue;
    [largest, start, byteCount, area] = [size, at, available, entryArea];
  }
  if (!largest) return null;
  const bytes = body.subarray(start, start + byteCount);
  // EXIF data may turn a PNG, which changes no area: one walk over the chunks, of the chosen picture.
  return { ...largest, ...(isPng(bytes) && readPngSize(bytes)), bytes };
}

function declaredSize(body: Uint8Array, entry: number): Size {
  return { width: side(body[entry]), height: side(body[entry + 1]) };
}

/** A byte cannot say 256, and says 0. */
function side(byte: number | undefined): number {
  return byte === undefined || byte === 0 ? 256 : byte;
}

// Where the size of a PNG ends: the signature, then the beginning of the header chunk. Of a bitmap it ends before.
const leastHeaderBytes = 24;

function sizeAt(body: Uint8Array, at: number): Size | null {
  if (isPng(body, at)) return readPngDimensions(body, at);
  const bitmap = readBitmapSize(body, at);
  return bitmap && createSize(bitmap.width, iconHeight(bitmap));
}

/** Its bitmap is twice as high as the picture: below lies the mask. */
export function iconHeight({ height }: Size): number {
  return Math.max(1, height >> 1);
}

export function readIconSize(body: Uint8Array): Size | null {
  const picture = largestPicture(body);
  return picture && createSize(picture.width, picture.height);
}

export const ico = {
  type: "image/vnd.microsoft.icon",
  kind: "image",
  matches: isIcon,
  aliases: ["image/x-icon", "image/ico", "image/x-win-bitmap"],
  readSize: readIconSize,
  plan: createWholePlan({ readSize: readIconSize, readAnimated: () => false }),
  decoding: {
    setting: "ico",
    reader: "ico",
    libraryBytes: 0,
    bytesPerPixel: () => 6,
    nanosecondsPerPixel: () => 50,
    isAnimated: () => false,
  },
} as const satisfies Row;
