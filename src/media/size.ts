import { hasAt, readText, readUint16, readUint16LE, readUint32 } from "./bytes.ts";
import { isSideways } from "./exif.ts";
import { boxes } from "./isobmff.ts";
import type { Size } from "./pixels.ts";

// The size as displayed, told from the first bytes, for files that libvips opens only whole (or not at all).
// Null where it is not there, or where a mark further on may turn the picture.

/** What the header of a picture tells of it: all that is to be known before its pixels are decoded. */
export interface Header {
  /** As displayed. */
  readonly size: Size;
  /** Progressive or interlaced. */
  readonly isProgressive: boolean;
  /** Channels times the bytes of each, when decoded. */
  readonly bytesAPixel: number;
}

function size(width: number, height: number): Size | null {
  return width > 0 && height > 0 ? { width, height } : null;
}

function displayedSize(width: number, height: number, turned: boolean): Size | null {
  return turned ? size(height, width) : size(width, height);
}

/** GIF89a specification, 18: the logical screen. */
export function readGifSize(head: Uint8Array): Size | null {
  return head.length < 10 ? null : size(readUint16LE(head, 6), readUint16LE(head, 8));
}

/** W3C PNG 3, 5.2. */
export function isPng(head: Uint8Array): boolean {
  return hasAt(head, 0, [0x89, 0x50, 0x4e, 0x47, 13, 10, 0x1a, 10]);
}

/** W3C PNG 3, 11.2.1: colour types by the channels that their pixels have; those of a palette are red, green and blue. */
const pngChannels = [1, undefined, 3, 3, 2, undefined, 4];

/** W3C PNG 3, 11.2.1. Apple's own variant has a chunk before the header. What turns it (11.3.3.5) stands before the pixels: in the head. */
export function readPngHeader(head: Uint8Array): Header | null {
  const header = hasAt(head, 12, "CgBI") ? 8 + 12 + 4 : 8;
  if (!hasAt(head, header + 4, "IHDR") || head.length < header + 21) return null;
  const [width, height] = [readUint32(head, header + 8), readUint32(head, header + 12)];
  const [depth = 0, colourType = 0, , , interlace] = head.subarray(header + 16, header + 21);
  const channels = pngChannels[colourType];
  if (width >= 2 ** 31 || height >= 2 ** 31 || !channels) return null;
  let turned: boolean | null = false;
  let transparent = 0;
  for (let chunk = header; chunk + 8 <= head.length; chunk += 12 + readUint32(head, chunk)) {
    const type = readText(head, chunk + 4, 4);
    if (type === "IDAT") break;
    if (type === "tRNS") transparent = 1;
    if (type === "eXIf") turned = isSideways(head.subarray(chunk + 8, chunk + 8 + readUint32(head, chunk)));
  }
  const displayed = turned === null ? null : displayedSize(width, height, turned);
  const bytesAPixel = (channels + transparent) * (depth === 16 ? 2 : 1);
  return displayed && { size: displayed, isProgressive: interlace === 1, bytesAPixel };
}

export function readPngSize(head: Uint8Array): Size | null {
  return readPngHeader(head)?.size ?? null;
}

/** RFC 9649: 2.7 the extended header, 3.4 lossless, and RFC 6386 9.1 for lossy. */
export function readWebpSize(head: Uint8Array): Size | null {
  const [a = 0, b = 0, c = 0, d = 0] = head.subarray(21, 25);
  if (hasAt(head, 12, "VP8L") && head[20] === 0x2f && head.length >= 25) {
    return size(1 + a + ((b & 0x3f) << 8), 1 + (b >> 6) + (c << 2) + ((d & 15) << 10));
  }
  if (hasAt(head, 12, "VP8 ") && hasAt(head, 23, [0x9d, 1, 0x2a])) {
    return size(readUint16LE(head, 26) & 0x3fff, readUint16LE(head, 28) & 0x3fff);
  }
  // Its orientation stands behind the picture.
  const hasExif = ((head[20] ?? 0) & 8) !== 0;
  if (!hasAt(head, 12, "VP8X") || hasExif || head.length < 30) return null;
  return size(
    1 + readUint16LE(head, 24) + (head[26] ?? 0) * 65536,
    1 + readUint16LE(head, 27) + (head[29] ?? 0) * 65536,
  );
}

/** ITU-T T.81, B.2.2: the frame header, whatever the process; turned as EXIF data before it says, null where that cannot be read. */
export function readJpegHeader(head: Uint8Array): Header | null {
  let turned: boolean | null = false;
  let hasExif = false;
  let at = 2;
  while (at + 10 <= head.length && head[at] === 0xff) {
    const marker = head[at + 1] ?? 0;
    if (marker === 0xff) {
      at += 1; // a fill byte
      continue;
    }
    // SOF0 to SOF15, less the tables (DHT, JPG, DAC) that share the range
    if (marker >= 0xc0 && marker <= 0xcf && ![0xc4, 0xc8, 0xcc].includes(marker)) {
      const [height, width] = [readUint16(head, at + 5), readUint16(head, at + 7)];
      const displayed = turned === null ? null : displayedSize(width, height, turned);
      const isProgressive = [0xc2, 0xca].includes(marker);
      const bytesAPixel = (head[at + 9] ?? 0) * ((head[at + 4] ?? 0) > 8 ? 2 : 1);
      return displayed && { size: displayed, isProgressive, bytesAPixel };
    }
    if (marker === 0xda || marker === 0xd9) return null;
    const end = at + 2 + Math.max(2, readUint16(head, at + 2));
    if (marker === 0xe1 && !hasExif && hasAt(head, at + 4, "Exif\0")) {
      hasExif = true;
      turned = isSideways(head.subarray(at + 10, end));
    }
    at = end;
  }
  return null;
}

export function readJpegSize(head: Uint8Array): Size | null {
  return readJpegHeader(head)?.size ?? null;
}

/** Adobe Photoshop File Formats, "File Header Section". */
export function readPsdSize(head: Uint8Array): Size | null {
  return head.length < 22 ? null : size(readUint32(head, 18), readUint32(head, 14));
}

/** qoiformat.org, "header". */
export function readQoiSize(head: Uint8Array): Size | null {
  return head.length < 12 ? null : size(readUint32(head, 4), readUint32(head, 8));
}

/** ITU-T T.800, I.5.3.1: the image header of a JPEG 2000 file. */
export function readJp2Size(head: Uint8Array): Size | null {
  for (const { type, start, end } of boxes(head, 0, head.length)) {
    if (type !== "jp2h") continue;
    for (const { type, start: at } of boxes(head, start, end)) {
      if (type === "ihdr") return size(readUint32(head, at + 4), readUint32(head, at));
    }
  }
  return null;
}

/** ITU-T T.800, A.5.1: the grid, less what lies before the picture on it. */
export function readJ2cSize(head: Uint8Array): Size | null {
  if (head.length < 24) return null;
  return size(readUint32(head, 8) - readUint32(head, 16), readUint32(head, 12) - readUint32(head, 20));
}
