import { type Size, createSize } from "../../domain/size.ts";
import { type WorkBudget, createWorkBudget, hasAt, readText, readUint16, readUint16LE, readUint32 } from "./bytes.ts";
import { isSideways } from "./exif.ts";
import { boxes } from "./isobmff.ts";

// The size as displayed, from the first bytes, for files that libvips opens only whole (or not at all).
// Null if it is missing, or if an orientation further on may turn the picture.

/** The facts in the header of a picture, as needed for the work budget before its pixels are decoded. */
export interface Header {
  /** As displayed. */
  readonly size: Size;
  /** Progressive or interlaced. */
  readonly isProgressive: boolean;
  /** Channels times the bytes of each, when decoded. */
  readonly bytesAPixel: number;
}

function displayedSize(width: number, height: number, turned: boolean): Size | null {
  return turned ? createSize(height, width) : createSize(width, height);
}

/** GIF89a specification, 18: the logical screen. */
export function readGifSize(head: Uint8Array): Size | null {
  return head.length < 10 ? null : createSize(readUint16LE(head, 6), readUint16LE(head, 8));
}

const pngSignature = [0x89, 0x50, 0x4e, 0x47, 13, 10, 0x1a, 10];

/** W3C PNG 3, 5.2. */
export function isPng(head: Uint8Array, at = 0): boolean {
  return hasAt(head, at, pngSignature);
}

/** Finds the header chunk: the first one, or the second in Apple's variant (CgBI). */
function pngHeaderAt(head: Uint8Array, at: number): number {
  return at + (hasAt(head, at + 12, "CgBI") ? 8 + 12 + 4 : 8);
}

/** W3C PNG 3, 11.2.1: as stored, whether or not EXIF data turns it. */
export function readPngDimensions(head: Uint8Array, at = 0): Size | null {
  const header = pngHeaderAt(head, at);
  return hasAt(head, header + 4, "IHDR")
    ? createSize(readUint32(head, header + 8), readUint32(head, header + 12))
    : null;
}

interface Chunk {
  readonly type: string;
  readonly start: number;
  readonly end: number;
}

/** W3C PNG 3, 5.3: the chunks one after the other, a step each. */
export function* pngChunks(head: Uint8Array, from: number, work: WorkBudget): Generator<Chunk> {
  for (let at = from; at + 8 <= head.length && work.step();) {
    const end = at + 8 + readUint32(head, at);
    yield { type: readText(head, at + 4, 4), start: at + 8, end };
    at = end + 4; // behind the checksum
  }
}

/** W3C PNG 3, 11.2.1: colour types by the channels that their pixels have; those of a palette are red, green and blue. */
const pngChannels = [1, undefined, 3, 3, 2, undefined, 4];

/**
 * W3C PNG 3, 11.2.1. Null until the pixels begin: the orientation (EXIF, 11.3.3.5) is somewhere before, perhaps after a
 * profile.
 */
export function readPngHeader(head: Uint8Array): Header | null {
  const header = pngHeaderAt(head, 0);
  const stored = readPngDimensions(head);
  const [depth = 0, colourType = 0, , , interlace] = head.subarray(header + 16, header + 21);
  const channels = pngChannels[colourType];
  if (!stored || !channels || head.length < header + 21) return null;
  const work = createWorkBudget();
  let turned: boolean | null = false;
  let transparent = 0;
  for (const { type, start, end } of pngChunks(head, header, work)) {
    if (type === "tRNS") transparent = 1;
    if (type === "eXIf") turned = isSideways(head.subarray(start, end), work);
    if (type !== "IDAT") continue;
    const displayed = turned === null ? null : displayedSize(stored.width, stored.height, turned);
    const bytesAPixel = (channels + transparent) * (depth === 16 ? 2 : 1);
    return displayed && { size: displayed, isProgressive: interlace === 1, bytesAPixel };
  }
  return null;
}

export function readPngSize(head: Uint8Array): Size | null {
  return readPngHeader(head)?.size ?? null;
}

/** RFC 9649: 2.7 the extended header, 3.4 lossless, and RFC 6386 9.1 for lossy. */
export function readWebpSize(head: Uint8Array): Size | null {
  const [a = 0, b = 0, c = 0, d = 0] = head.subarray(21, 25);
  if (hasAt(head, 12, "VP8L") && head[20] === 0x2f && head.length >= 25) {
    return createSize(1 + a + ((b & 0x3f) << 8), 1 + (b >> 6) + (c << 2) + ((d & 15) << 10));
  }
  if (hasAt(head, 12, "VP8 ") && hasAt(head, 23, [0x9d, 1, 0x2a])) {
    return createSize(readUint16LE(head, 26) & 0x3fff, readUint16LE(head, 28) & 0x3fff);
  }
  // Its orientation stands behind the picture.
  const hasExif = ((head[20] ?? 0) & 8) !== 0;
  if (!hasAt(head, 12, "VP8X") || hasExif || head.length < 30) return null;
  return createSize(
    1 + readUint16LE(head, 24) + (head[26] ?? 0) * 65536,
    1 + readUint16LE(head, 27) + (head[29] ?? 0) * 65536,
  );
}

/** A segment of a JPEG: from a marker and its length to the next marker. */
interface Segment {
  readonly marker: number;
  readonly start: number;
  readonly end: number;
}

/**
 * ITU-T T.81, B.1.1.4: the segments one after the other, a step each, as far as they are sure to be those that libjpeg sees.
 *
 * After a marker without a length libjpeg searches for the next one. A parser that reads a length there finds another
 * frame than the decoded one: a small decoy that hides a pixel bomb.
 */
function* jpegSegments(head: Uint8Array, from: number, work: WorkBudget): Generator<Segment> {
  for (let at = from; at + 4 < head.length && head[at] === 0xff;) {
    const marker = head[at + 1] ?? 0;
    if (marker === 0xff) {
      at += 1; // a fill byte
      continue;
    }
    const hasLength = marker > 1 && (marker < 0xd0 || marker > 0xd9);
    const end = at + 2 + readUint16(head, at + 2);
    if (!hasLength || end < at + 4 || !work.step()) return;
    yield { marker, start: at + 4, end };
    at = end;
  }
}

/** SOF0 to SOF15, less the tables (DHT, JPG, DAC) that share the range. */
function isFrame(marker: number): boolean {
  return marker >= 0xc0 && marker <= 0xcf && ![0xc4, 0xc8, 0xcc].includes(marker);
}

const startOfScan = 0xda;

interface Frame extends Header {
  readonly components: number;
  readonly end: number;
}

/** ITU-T T.81, B.2.2, for any coding process; turned by the EXIF data before it, null if that is unreadable. */
function readFrame(head: Uint8Array, work: WorkBudget): Frame | null {
  let turned: boolean | null = false;
  let hasExif = false;
  for (const { marker, start, end } of jpegSegments(head, 2, work)) {
    if (marker === startOfScan) return null;
    if (marker === 0xe1 && !hasExif && hasAt(head, start, "Exif\0")) {
      hasExif = true;
      turned = isSideways(head.subarray(start + 6, end), work);
    }
    if (!isFrame(marker)) continue;
    if (turned === null || start + 6 > head.length) return null;
    const displayed = displayedSize(readUint16(head, start + 3), readUint16(head, start + 1), turned);
    const components = head[start + 5] ?? 0;
    const bytesAPixel = components * ((head[start] ?? 0) > 8 ? 2 : 1);
    return displayed && { size: displayed, isProgressive: [0xc2, 0xca].includes(marker), bytesAPixel, components, end };
  }
  return null;
}

/** Up to the first scan (ITU-T T.81, B.2.3). If that lacks components, libjpeg buffers all, as if progressive. */
export function readJpegHeader(head: Uint8Array): Header | null {
  const work = createWorkBudget();
  const frame = readFrame(head, work);
  if (!frame) return null;
  const { size, bytesAPixel, components } = frame;
  for (const { marker, start } of jpegSegments(head, frame.end, work)) {
    if (marker === startOfScan) {
      return { size, isProgressive: frame.isProgressive || head[start] !== components, bytesAPixel };
    }
  }
  return null;
}

export function readJpegSize(head: Uint8Array): Size | null {
  return readFrame(head, createWorkBudget())?.size ?? null;
}

/** Adobe Photoshop File Formats, "File Header Section". */
export function readPsdSize(head: Uint8Array): Size | null {
  return head.length < 22 ? null : createSize(readUint32(head, 18), readUint32(head, 14));
}

/** qoiformat.org, "header". */
export function readQoiSize(head: Uint8Array): Size | null {
  return head.length < 12 ? null : createSize(readUint32(head, 4), readUint32(head, 8));
}

/** ITU-T T.800, I.5.3.1: the image header of a JPEG 2000 file. */
export function readJp2Size(head: Uint8Array): Size | null {
  const work = createWorkBudget();
  for (const { type, start, end } of boxes(head, 0, head.length, work)) {
    if (type !== "jp2h") continue;
    for (const { type, start: at } of boxes(head, start, end, work)) {
      if (type === "ihdr") return createSize(readUint32(head, at + 4), readUint32(head, at));
    }
  }
  return null;
}

/** ITU-T T.800, A.5.1: the grid, less what lies before the picture on it. */
export function readJ2cSize(head: Uint8Array): Size | null {
  if (head.length < 24) return null;
  return createSize(readUint32(head, 8) - readUint32(head, 16), readUint32(head, 12) - readUint32(head, 20));
}
