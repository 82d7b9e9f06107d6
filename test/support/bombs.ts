import { crc32, deflateSync } from "node:zlib";
import sharp from "sharp";
import type { FormatName } from "../../src/media/formats/index.ts";
import { samples } from "../../src/media/worker/samples.ts";
import { worstCases } from "./worst-cases.ts";

/** A small file that takes much time or memory to decode. */
export interface Bomb {
  readonly name: string;
  readonly format: FormatName;
  readonly body: Uint8Array;
}

const plain = (width: number, height: number) =>
  sharp({ create: { width, height, channels: 3, background: "#4080c0" }, limitInputPixels: false });

// W3C PNG 3, 5.3: length, type, data, checksum.
export function pngChunk(type: string, data: Uint8Array): Buffer {
  const chunk = Buffer.concat([Buffer.alloc(4), Buffer.from(type), data, Buffer.alloc(4)]);
  chunk.writeUInt32BE(data.byteLength);
  chunk.writeUInt32BE(crc32(chunk.subarray(4, -4)), chunk.length - 4);
  return chunk;
}

interface PngOptions {
  /** W3C PNG 3, table 12: 0 is grey, 2 colours, 6 colours and alpha. */
  readonly colour: 0 | 2 | 6;
  readonly depth: 8 | 16;
  readonly isInterlaced?: boolean;
  readonly extra?: readonly Uint8Array[];
}

/** A PNG of zeros: a thousandth of its pixels' size. */
export function zeroPng(side: number, { colour, depth, isInterlaced = false, extra = [] }: PngOptions): Buffer {
  const header = Buffer.alloc(13);
  header.writeUInt32BE(side, 0);
  header.writeUInt32BE(side, 4);
  header.set([depth, colour, 0, 0, isInterlaced ? 1 : 0], 8);
  const bytesAPixel = ({ 0: 1, 2: 3, 6: 4 }[colour] * depth) / 8;
  // Adam7's passes, W3C PNG 3, 8.2: step and offset in x and y. Every row has a filter byte before it.
  const adam7 = [8, 8, 0, 0, 8, 8, 4, 0, 4, 8, 0, 4, 4, 4, 2, 0, 2, 4, 0, 2, 2, 2, 1, 0, 1, 2, 0, 1];
  const passes = isInterlaced ? [0, 4, 8, 12, 16, 20, 24].map((at) => adam7.slice(at, at + 4)) : [[1, 1, 0, 0]];
  const bytes = passes.reduce((sum, [stepX = 1, stepY = 1, fromX = 0, fromY = 0]) => {
    const [columns, rows] = [Math.ceil((side - fromX) / stepX), Math.ceil((side - fromY) / stepY)];
    return sum + rows * (1 + columns * bytesAPixel);
  }, 0);
  return Buffer.concat([
    Buffer.from([0x89, 0x50, 0x4e, 0x47, 13, 10, 0x1a, 10]),
    pngChunk("IHDR", header),
    ...extra,
    pngChunk("IDAT", deflateSync(Buffer.alloc(bytes), { level: 1 })),
    pngChunk("IEND", Buffer.alloc(0)),
  ]);
}

/** A small picture with this number of 8 MB comments, which take time before the first pixel. */
export function makeTextPng(comments: number): Buffer {
  const text = pngChunk("zTXt", Buffer.concat([Buffer.from("a\0\0"), deflateSync(Buffer.alloc(7_900_000, 65))]));
  return zeroPng(64, { colour: 2, depth: 8, extra: Array<Buffer>(comments).fill(text) });
}

/** A lossless WebP of one colour, of any size: its codes have one symbol each, so no bits (RFC 9649 3.7.2). */
function onePixelWebp(side: number): Buffer {
  const file = Buffer.from(samples.webp, "base64");
  const size = side - 1;
  file.writeUInt32LE((file.readUInt32LE(21) & 0xf0000000) | size | (size << 14), 21);
  return file;
}

/** A GIF that repeats its one frame. */
function gifFrames(count: number, screen: number, file: Buffer): Buffer {
  const flags = file[10]!;
  const head = 13 + ((flags & 0x80) !== 0 ? 3 * 2 ** ((flags & 7) + 1) : 0); // GIF89a specification, 18
  const frame = file.subarray(head, -1);
  const start = Buffer.from(file.subarray(0, head));
  start.writeUInt16LE(screen, 6);
  start.writeUInt16LE(screen, 8);
  return Buffer.concat([start, ...Array<Buffer>(count).fill(frame), Buffer.from(";")]);
}

/** Bombs of the formats that are on by default. */
export async function makeBombs(): Promise<Bomb[]> {
  const gif = await plain(64, 64).gif().toBuffer();
  const large = await plain(4000, 4000).gif().toBuffer();
  const profile = pngChunk("iCCP", Buffer.concat([Buffer.from("a\0\0"), deflateSync(Buffer.alloc(200_000_000))]));
  const progressive = (side: number) => plain(side, side).jpeg({ progressive: true }).toBuffer();
  const avif = (side: number) => plain(side, side).avif({ effort: 0 }).toBuffer();
  return [
    { name: "AVIF of 50 megapixels", format: "avif", body: await avif(7071) },
    { name: "AVIF of 14 megapixels", format: "avif", body: await avif(3750) },
    {
      name: "interlaced PNG of 100 megapixels",
      format: "png",
      body: zeroPng(10_000, { colour: 2, depth: 8, isInterlaced: true }),
    },
    {
      name: "interlaced PNG of 40 megapixels",
      format: "png",
      body: zeroPng(6300, { colour: 2, depth: 8, isInterlaced: true }),
    },
    {
      name: "interlaced PNG of 16 bits",
      format: "png",
      body: zeroPng(4500, { colour: 6, depth: 16, isInterlaced: true }),
    },
    { name: "PNG of 144 megapixels", format: "png", body: zeroPng(12_000, { colour: 2, depth: 8 }) },
    { name: "PNG of 64 megapixels and 16 bits", format: "png", body: zeroPng(8000, { colour: 6, depth: 16 }) },
    { name: "PNG of 5 megapixels", format: "png", body: zeroPng(2250, { colour: 6, depth: 8 }) },
    {
      name: "PNG with 2 GB of text",
      format: "png",
      body: makeTextPng(250),
    },
    {
      name: "PNG with a profile of 200 MB",
      format: "png",
      body: zeroPng(64, { colour: 2, depth: 8, extra: [profile] }),
    },
    { name: "progressive JPEG of 36 megapixels", format: "jpeg", body: await progressive(6000) },
    { name: "progressive JPEG of 5 megapixels", format: "jpeg", body: await progressive(2200) },
    { name: "PNG with 160 MB of text", format: "png", body: makeTextPng(20) },
    { name: "WebP of 256 megapixels", format: "webp", body: onePixelWebp(16_000) },
    { name: "WebP of 80 megapixels", format: "webp", body: onePixelWebp(9000) },
    { name: "WebP of 7 megapixels", format: "webp", body: onePixelWebp(2650) },
    { name: "GIF of 10,000 frames", format: "gif", body: gifFrames(10_000, 64, gif) },
    { name: "GIF of 100,000 frames", format: "gif", body: gifFrames(100_000, 64, gif) },
    { name: "GIF of 300 frames of 16 megapixels", format: "gif", body: gifFrames(300, 4000, large) },
    { name: "GIF of 25 megapixels", format: "gif", body: await plain(5000, 5000).gif().toBuffer() },
  ];
}

/** A TIFF of 64 bits an offset whose width and height are as large as the field: 72 bytes. */
export function hugeBigTiff(): Buffer {
  const entry = (tag: number) => {
    const bytes = Buffer.alloc(20);
    bytes.writeUInt16LE(tag, 0);
    bytes.writeUInt16LE(16, 2); // eight bytes a value
    bytes.writeBigUInt64LE(1n, 4);
    bytes.writeBigUInt64LE(2n ** 60n, 12);
    return bytes;
  };
  const header = Buffer.alloc(24);
  header.write("II+\0\x08\0\0\0", "latin1");
  header.writeBigUInt64LE(16n, 8);
  header.writeBigUInt64LE(2n, 16);
  return Buffer.concat([header, entry(256), entry(257), Buffer.alloc(8)]);
}

/** A QOI of 4294967295 x 4294967295: 14 bytes. */
export function hugeQoi(): Buffer {
  return Buffer.from("qoif\xff\xff\xff\xff\xff\xff\xff\xff\x04\0", "latin1");
}

const headerBombBytes = 64 * 1024;

/** A small icon whose 1024 entries share one PNG of thousands of chunks. */
export function iconBomb(): Buffer {
  return worstCases.ico(headerBombBytes)["entries that share a PNG of empty chunks"]!;
}

/** Small files whose headers once blocked the service's process, or led to a wrong result of a decoder process. */
export function makeHeaderBombs(): Bomb[] {
  return [
    { name: "ICO of 1024 entries that share a PNG", format: "ico", body: iconBomb() },
    { name: "BigTIFF of 2^60 x 2^60", format: "tiff", body: hugeBigTiff() },
    { name: "QOI of 2^32 x 2^32", format: "qoi", body: hugeQoi() },
    { name: "SVG behind comments", format: "svg", body: worstCases.svg(headerBombBytes)["comments and line breaks"]! },
    { name: "gzip of a drawing, then spaces", format: "svgz", body: worstCases.svgz(headerBombBytes)["gzip of a drawing, then spaces"]! }, // prettier-ignore
  ];
}

const svg = (content: string) =>
  Buffer.from(
    `<svg xmlns="http://www.w3.org/2000/svg" xmlns:x="http://www.w3.org/1999/xlink" width="1000" height="1000">${content}</svg>`,
  );

/** Bombs of the formats that are off by default. */
export function makeSvgBombs(): Bomb[] {
  const level = (n: number) => `<g id="a${n}">${`<use x:href="#a${n - 1}"/>`.repeat(10)}</g>`;
  const nested = [1, 2, 3, 4, 5, 6].map(level).join("");
  const png = zeroPng(20_000, { colour: 2, depth: 8 }).toString("base64");
  const blur = '<filter id="f"><feGaussianBlur stdDeviation="200"/></filter>' + '<g filter="url(#f)">'.repeat(30);
  const drawings = {
    "SVG of nested use": svg(`<rect id="a0" width="9" height="9"/>${nested}`),
    "SVG with a PNG bomb in a data URI": svg(`<image width="9" height="9" x:href="data:image/png;base64,${png}"/>`),
    "SVG of filters": svg(`${blur}<rect width="900" height="900"/>${"</g>".repeat(30)}`),
    "SVG of a million pixels aside": Buffer.from(
      '<svg xmlns="http://www.w3.org/2000/svg" width="1000000" height="1000000"/>',
    ),
  };
  return Object.entries(drawings).map(([name, body]) => ({ name, format: "svg", body }));
}
