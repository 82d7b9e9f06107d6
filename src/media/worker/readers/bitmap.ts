import { coreHeaderBytes, readBitmapSize } from "../../formats/bmp.ts";
import { readInt32LE, readUint16LE, readUint32LE } from "../../formats/bytes.ts";
import type { Raster, Size } from "../../raster.ts";
import { UnreadableError } from "../reader.ts";

// Microsoft, BITMAPINFOHEADER, `biCompression`.
const compressions = { none: 0, rle8: 1, rle4: 2, masks: 3, jpeg: 4, png: 5, masksWithAlpha: 6 } as const;

/** The header of a bitmap, as in a file or an icon. */
export interface Bitmap extends Size {
  readonly isTopDown: boolean;
  readonly bitsAPixel: number;
  readonly compression: number;
  /** Red, green, blue, alpha; zero where there is none. */
  readonly masks: readonly number[];
  /** Where the palette lies, how many colours it has, and how many bytes each. */
  readonly palette: { readonly at: number; readonly colours: number; readonly bytes: number };
}

/** Reads the header at the offset; null where it is none that is known. */
export function readBitmap(bytes: Uint8Array, at: number): Bitmap | null {
  const size = readBitmapSize(bytes, at);
  if (!size) return null;
  const headerBytes = readUint32LE(bytes, at);
  const isCore = headerBytes === coreHeaderBytes;
  const bitsAPixel = readUint16LE(bytes, at + (isCore ? 10 : 14));
  const compression = headerBytes >= 40 ? readUint32LE(bytes, at + 16) : compressions.none;
  const hasMasks = compression === compressions.masks || compression === compressions.masksWithAlpha;
  const masksBehind = headerBytes === 40 && hasMasks ? (compression === compressions.masks ? 12 : 16) : 0;
  const declaredColours = headerBytes >= 40 ? readUint32LE(bytes, at + 32) : 0;
  const mostColours = bitsAPixel <= 8 ? 2 ** bitsAPixel : 0;
  return {
    ...size,
    isTopDown: !isCore && readInt32LE(bytes, at + 8) < 0,
    bitsAPixel,
    compression,
    masks: hasMasks ? readMasks(bytes, at, headerBytes, masksBehind) : defaultMasks(bitsAPixel),
    palette: {
      at: at + headerBytes + masksBehind,
      colours: declaredColours > 0 ? Math.min(declaredColours, mostColours) : mostColours,
      bytes: isCore ? 3 : 4,
    },
  };
}

/** They stand behind the first 40 bytes, whether those are all of the header or not. */
function readMasks(bytes: Uint8Array, at: number, headerBytes: number, masksBehind: number): number[] {
  const hasAlpha = headerBytes >= 56 || masksBehind === 16;
  return [0, 4, 8, 12].map((offset) => (offset === 12 && !hasAlpha ? 0 : readUint32LE(bytes, at + 40 + offset)));
}

/** The fourth byte of 32 bits is mostly garbage, unless a mask says that it is opacity. */
function defaultMasks(bitsAPixel: number): number[] {
  return bitsAPixel === 16 ? [0x7c00, 0x03e0, 0x001f, 0] : [0xff0000, 0xff00, 0xff, 0];
}

/** Bytes of a row of so many bits: rows begin at multiples of four. */
export function rowBytes(width: number, bitsAPixel: number): number {
  return Math.ceil((width * bitsAPixel) / 32) * 4;
}

/**
 * Reads the pixels of a bitmap.
 *
 * @param at where they begin
 * @throws UnreadableError if some are missing, or if the kind is unknown
 */
export function readBitmapPixels(bytes: Uint8Array, bitmap: Bitmap, at: number): Raster {
  const { width, height, bitsAPixel, compression } = bitmap;
  if (compression === compressions.rle8 || compression === compressions.rle4) return readRuns(bytes, bitmap, at);
  const stride = rowBytes(width, bitsAPixel);
  const end = at + stride * (height - 1) + Math.ceil((width * bitsAPixel) / 8);
  const readRow = rowReader(bytes, bitmap);
  if (!readRow || end > bytes.length) throw new UnreadableError("bits of an unknown kind, or missing");
  const rgba = new Uint8Array(width * height * 4);
  for (let row = 0; row < height; row += 1) {
    readRow(at + row * stride, rgba, (bitmap.isTopDown ? row : height - 1 - row) * width * 4);
  }
  return { width, height, rgba };
}

type RowReader = (from: number, rgba: Uint8Array, to: number) => void;

function rowReader(bytes: Uint8Array, bitmap: Bitmap): RowReader | null {
  const { width, bitsAPixel, compression, masks } = bitmap;
  const isPlain = [compressions.none, compressions.masks, compressions.masksWithAlpha].some(
    (known) => known === compression,
  );
  if (!isPlain) return null;
  if ([1, 2, 4, 8].includes(bitsAPixel)) {
    const palette = readPalette(bytes, bitmap);
    const [perByte, mask] = [8 / bitsAPixel, 2 ** bitsAPixel - 1];
    return (from, rgba, to) => {
      for (let x = 0; x < width; x += 1) {
        const shift = 8 - bitsAPixel * ((x % perByte) + 1);
        const index = ((bytes[from + Math.floor(x / perByte)] ?? 0) >> shift) & mask;
        rgba.set(palette.subarray(index * 4, index * 4 + 4), to + x * 4);
      }
    };
  }
  if (bitsAPixel === 24) {
    return (from, rgba, to) => {
      for (let x = 0; x < width; x += 1) {
        for (let channel = 0; channel < 3; channel += 1)
          rgba[to + x * 4 + channel] = bytes[from + x * 3 + 2 - channel] ?? 0;
        rgba[to + x * 4 + 3] = 255;
      }
    };
  }
  if (bitsAPixel !== 16 && bitsAPixel !== 32) return null;
  const pixelBytes = bitsAPixel / 8;
  const channels = masks.map(channelOf);
  return (from, rgba, to) => {
    for (let x = 0; x < width; x += 1) {
      const at = from + x * pixelBytes;
      const pixel = pixelBytes === 2 ? readUint16LE(bytes, at) : readUint32LE(bytes, at);
      for (let channel = 0; channel < 4; channel += 1) rgba[to + x * 4 + channel] = channels[channel]?.(pixel) ?? 0;
    }
  };
}

/** Brings the bits under a mask to 0 … 255; those of no mask are full, which only opacity may be without. */
function channelOf(mask: number): (pixel: number) => number {
  if (mask === 0) return () => 255;
  const lowest = 2 ** (31 - Math.clz32(mask & -mask));
  const most = Math.floor(mask / lowest);
  return (pixel) => Math.round((Math.floor((pixel & mask) >>> 0) / lowest / most) * 255);
}

/** Four bytes a colour; what the file lacks is black. */
function readPalette(bytes: Uint8Array, { palette, bitsAPixel }: Bitmap): Uint8Array {
  const rgba = new Uint8Array(4 * 2 ** bitsAPixel);
  for (let index = 0; index < 2 ** bitsAPixel; index += 1) {
    const at = palette.at + index * palette.bytes;
    const isThere = index < palette.colours;
    rgba.set(isThere ? [bytes[at + 2] ?? 0, bytes[at + 1] ?? 0, bytes[at] ?? 0, 255] : [0, 0, 0, 255], index * 4);
  }
  return rgba;
}

/** Microsoft, "Bitmap Compression": pairs of a count and a colour; zero escapes. Gaps get the first colour. */
function readRuns(bytes: Uint8Array, bitmap: Bitmap, from: number): Raster {
  const { width, height, bitsAPixel, compression } = bitmap;
  const isHalf = compression === compressions.rle4;
  if (bitsAPixel !== (isHalf ? 4 : 8)) throw new UnreadableError("runs of another kind");
  const palette = readPalette(bytes, bitmap);
  const indexes = new Uint8Array(width * height);
  let [x, y, at] = [0, 0, from];
  const put = (index: number) => {
    if (x < width && y < height) indexes[(bitmap.isTopDown ? y : height - 1 - y) * width + x] = index;
    x += 1;
  };
  const nibble = (byte: number, position: number) => (!isHalf ? byte : position % 2 === 0 ? byte >> 4 : byte & 15);
  for (;;) {
    if (at + 2 > bytes.length) throw new UnreadableError("runs without an end");
    const [count = 0, value = 0] = bytes.subarray(at, at + 2);
    at += 2;
    if (count > 0) {
      for (let position = 0; position < count; position += 1) put(nibble(value, position));
    } else if (value === 0) {
      [x, y] = [0, y + 1];
    } else if (value === 1 || y >= height) {
      break;
    } else if (value === 2) {
      [x, y] = [x + (bytes[at] ?? 0), y + (bytes[at + 1] ?? 0)];
      at += 2;
    } else {
      for (let position = 0; position < value; position += 1) {
        put(nibble(bytes[at + (isHalf ? position >> 1 : position)] ?? 0, position));
      }
      at += 2 * Math.ceil((isHalf ? Math.ceil(value / 2) : value) / 2); // to an even number
    }
  }
  const rgba = new Uint8Array(width * height * 4);
  indexes.forEach((index, pixel) => rgba.set(palette.subarray(index * 4, index * 4 + 4), pixel * 4));
  return { width, height, rgba };
}

/** The JPEG or PNG that stands in for the pixels of a bitmap; null where there is none. */
export function embeddedPicture(bytes: Uint8Array, { compression }: Bitmap, at: number): Uint8Array | null {
  return compression === compressions.jpeg || compression === compressions.png ? bytes.subarray(at) : null;
}
