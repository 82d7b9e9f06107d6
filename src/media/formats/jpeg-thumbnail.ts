import {
  type WorkBudget,
  createWorkBudget,
  hasAt,
  readUint16,
  readUint16LE,
  readUint32,
  readUint32LE,
} from "./bytes.ts";
import { readJpegSize } from "./jpeg-segments.ts";
import type { Excerpt } from "./plan.ts";

// Exif 2.32, 4.6.4 and 4.6.5: tags of the first directory, of the main picture, and of the second, of its thumbnail.
const [compressionTag, orientationTag, offsetTag, lengthTag] = [0x103, 0x112, 0x201, 0x202];
const jpegCompression = 6;

// A thumbnail of 160 x 120 of a picture of 3:2 has black bars, or is cropped; rounding to whole pixels is less than this.
const maxDistortion = 0.02;
const leastSide = 64;

/** What EXIF data says of a thumbnail. */
interface Exif {
  /** 1 to 8, of the picture and its thumbnail. */
  readonly orientation: number;
  readonly thumbnail: Uint8Array;
}

/** TIFF 6.0, section 2: the values of the entries by tag, as far as they are numbers in place; and the next directory. */
function readDirectory(data: Uint8Array, at: number, isLittle: boolean, work: WorkBudget) {
  const [read16, read32] = isLittle ? [readUint16LE, readUint32LE] : [readUint16, readUint32];
  const values = new Map<number, number>();
  const end = at + 2 + 12 * read16(data, at);
  if (at < 8 || end + 4 > data.length) return { values, next: 0 };
  for (let entry = at + 2; entry < end && work.step(); entry += 12) {
    const isShort = read16(data, entry + 2) === 3;
    values.set(read16(data, entry), isShort ? read16(data, entry + 8) : read32(data, entry + 8));
  }
  return { values, next: read32(data, end) };
}

/** @param data behind `Exif` and two zeros */
function readExif(data: Uint8Array, work: WorkBudget): Exif | null {
  const isLittle = hasAt(data, 0, "II*\0");
  if (!isLittle && !hasAt(data, 0, "MM\0*")) return null;
  const main = readDirectory(data, (isLittle ? readUint32LE : readUint32)(data, 4), isLittle, work);
  const { values } = readDirectory(data, main.next, isLittle, work);
  const [from, bytes] = [values.get(offsetTag) ?? 0, values.get(lengthTag) ?? 0];
  if (values.get(compressionTag) !== jpegCompression || from === 0 || from + bytes > data.length) return null;
  const orientation = main.values.get(orientationTag) ?? 1;
  if (orientation < 1 || orientation > 8) return null;
  return { orientation, thumbnail: data.subarray(from, from + bytes) };
}

/** Finds the EXIF data in the segments before the frame; null if there is none, or if some of it has not arrived. */
function findExif(head: Uint8Array, work: WorkBudget): Exif | null {
  for (let at = 2; at + 4 <= head.length && head[at] === 0xff && work.step();) {
    const marker = head[at + 1] ?? 0;
    const end = at + 2 + readUint16(head, at + 2);
    // Application segments and comments (ITU-T T.81, B.2.4.6): cameras write nothing else before their EXIF data.
    if (((marker & 0xf0) !== 0xe0 && marker !== 0xfe) || end > head.length || end < at + 4) return null;
    if (marker === 0xe1 && hasAt(head, at + 4, "Exif\0\0")) return readExif(head.subarray(at + 10, end), work);
    at = end;
  }
  return null;
}

/** An application segment with EXIF data of an orientation alone (Exif 2.32, 4.7.2). */
function orientationSegment(orientation: number): Uint8Array {
  const segment = Buffer.from(
    "\xff\xe1\0\x22Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\0\0\0\0\0\0\0",
    "latin1",
  );
  segment.writeUInt16BE(orientation, segment.length - 8);
  return segment;
}

/**
 * The thumbnail in the EXIF data of a JPEG, as a file that is displayed upright as the picture is: a thumbnail has no
 * orientation of its own. Null if there is none of the same proportions.
 */
export function readThumbnailExcerpt(head: Uint8Array): Excerpt | null {
  const exif = findExif(head, createWorkBudget());
  const whole = exif && readJpegSize(head);
  if (!whole || !hasAt(exif.thumbnail, 0, [0xff, 0xd8, 0xff])) return null;
  const bytes = Buffer.concat([
    exif.thumbnail.subarray(0, 2),
    orientationSegment(exif.orientation),
    exif.thumbnail.subarray(2),
    Uint8Array.of(0xff, 0xd9), // some lack theirs; a second one is not read
  ]);
  const size = readJpegSize(bytes);
  if (!size || Math.min(size.width, size.height) < leastSide) return null;
  const distortion = Math.abs((size.width * whole.height) / (size.height * whole.width) - 1);
  return distortion <= maxDistortion ? { bytes, accuracy: "provisional" } : null;
}
