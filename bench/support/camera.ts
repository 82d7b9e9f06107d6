/** Photos as phones and cameras write them: with a small thumbnail in the same file. */
import sharp from "sharp";
import { box, fileType } from "../../test/support/heads.ts";
import { hevc, runFfmpeg } from "../../test/support/media-files.ts";
import { takePhoto } from "./pictures.ts";

const thumbnailWidth = 160; // of the Exif standard (DCF 2.0)
const heicThumbnailWidth = 320; // of iPhones

/** Makes a baseline JPEG with an EXIF thumbnail. */
export async function makeCameraJpeg(width: number, height: number, quality: number): Promise<Buffer> {
  const photo = await (await takePhoto(width, height)).png({ compressionLevel: 1 }).toBuffer();
  const [picture, thumbnail] = await Promise.all([
    sharp(photo).jpeg({ quality }).toBuffer(),
    sharp(photo).resize(thumbnailWidth).jpeg().toBuffer(),
  ]);
  const afterStart = 2;
  return Buffer.concat([picture.subarray(0, afterStart), exifSegment(thumbnail), picture.subarray(afterStart)]);
}

/** An APP1 segment with the thumbnail in its second directory (Exif 2.3, 4.5.5). */
function exifSegment(thumbnail: Buffer): Buffer {
  const secondDirectory = 26;
  const thumbnailOffset = 68;
  const tiff = Buffer.concat([
    Buffer.from("II*\0", "latin1"),
    uint32(8),
    directory([[0x0112, 3, 1]], secondDirectory), // Orientation: upright
    directory(
      [
        [0x0103, 3, 6], // Compression: JPEG
        [0x0201, 4, thumbnailOffset],
        [0x0202, 4, thumbnail.byteLength],
      ],
      0,
    ),
    thumbnail,
  ]);
  const content = Buffer.concat([Buffer.from("Exif\0\0", "latin1"), tiff]);
  const header = Buffer.from([0xff, 0xe1, 0, 0]);
  header.writeUInt16BE(2 + content.byteLength, 2);
  return Buffer.concat([header, content]);
}

/** A directory of TIFF 6.0: entries of tag, type (3 SHORT, 4 LONG) and value, then the offset of the next one. */
function directory(entries: readonly (readonly [tag: number, type: number, value: number])[], next: number): Buffer {
  const count = Buffer.alloc(2);
  count.writeUInt16LE(entries.length);
  const encoded = entries.map(([tag, type, value]) => {
    const entry = Buffer.alloc(12);
    entry.writeUInt16LE(tag, 0);
    entry.writeUInt16LE(type, 2);
    entry.writeUInt32LE(1, 4);
    entry.writeUInt32LE(value, 8);
    return entry;
  });
  return Buffer.concat([count, ...encoded, uint32(next)]);
}

function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value);
  return bytes;
}

interface CodedImage {
  readonly width: number;
  readonly height: number;
  /** The `hvcC` box. */
  readonly settings: Buffer;
  readonly frame: Buffer;
}

/** Makes a HEIC with a thumbnail item (ISO/IEC 23008-12, 6.4.4); the thumbnail precedes the picture in `mdat`. */
export async function makeHeic(width: number, height: number, quantiser: number): Promise<Buffer> {
  const photo = await (await takePhoto(width, height)).png({ compressionLevel: 1 }).toBuffer();
  const picture = encodeFrame(photo, width, height, quantiser);
  const thumbnailHeight = (heicThumbnailWidth * height) / width;
  const thumbnail = encodeFrame(photo, heicThumbnailWidth, thumbnailHeight, quantiser);
  const parts = (mediaOffset: number) => [fileType("heic", "mif1", "heic"), metaBox(picture, thumbnail, mediaOffset)];
  const boxHeaderBytes = 8;
  const mediaOffset = Buffer.concat(parts(0)).length + boxHeaderBytes;
  return Buffer.concat([...parts(mediaOffset), box("mdat", thumbnail.frame, picture.frame)]);
}

function encodeFrame(photo: Buffer, width: number, height: number, quantiser: number): CodedImage {
  const scale = ["-vf", `scale=${width}:${height}`, "-crf", String(quantiser)];
  const movie = runFfmpeg("a.mp4", ["-i", "photo.png", ...scale, ...hevc, "yuv420p"], { "photo.png": photo });
  return { width, height, settings: boxNamed(movie, "hvcC"), frame: boxNamed(movie, "mdat").subarray(8) };
}

function boxNamed(movie: Buffer, name: string): Buffer {
  const at = movie.indexOf(name, 0, "latin1") - 4;
  return movie.subarray(at, at + movie.readUInt32BE(at));
}

/** Item 1 is the picture, item 2 its thumbnail. */
function metaBox(picture: CodedImage, thumbnail: CodedImage, mediaOffset: number): Buffer {
  const full = Buffer.alloc(4);
  const item = (id: number) => box("infe", big(4, 0x02000000), big(2, id), big(2, 0), "hvc1\0");
  const location = (id: number, offset: number, length: number) =>
    Buffer.concat([big(2, id), big(2, 0), big(2, 1), big(4, offset), big(4, length)]);
  const size = ({ width, height }: CodedImage) => box("ispe", full, big(4, width), big(4, height));
  const properties = box("ipco", picture.settings, size(picture), thumbnail.settings, size(thumbnail));
  const essential = 0x80;
  const association = (id: number, first: number) =>
    Buffer.concat([big(2, id), Buffer.from([2, essential | first, first + 1])]);
  const { length: thumbnailBytes } = thumbnail.frame;
  return box(
    "meta",
    full,
    box("hdlr", full, full, "pict", Buffer.alloc(13)),
    box("pitm", full, big(2, 1)),
    box(
      "iloc",
      full,
      big(2, 0x4400),
      big(2, 2),
      location(1, mediaOffset + thumbnailBytes, picture.frame.length),
      location(2, mediaOffset, thumbnailBytes),
    ),
    box("iinf", full, big(2, 2), item(1), item(2)),
    box("iref", full, box("thmb", big(2, 2), big(2, 1), big(2, 1))),
    box("iprp", properties, box("ipma", full, big(4, 2), association(1, 1), association(2, 3))),
  );
}

function big(bytes: number, value: number): Buffer {
  const buffer = Buffer.alloc(bytes);
  buffer.writeUIntBE(value, 0, bytes);
  return buffer;
}
