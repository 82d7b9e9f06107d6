import { crc32, deflateSync } from "node:zlib";
import sharp, { type Sharp } from "sharp";
import type { MeasuredName } from "../../src/media/formats/index.ts";
import { box, fileType, latin1, png } from "./heads.ts";
import { noise, photo } from "./images.ts";
import { uint } from "./worst-cases.ts";

// Pictures with parts that a read plan reads or skips.

/** Two pictures of different colours. */
function frame(index: number, width = 90, height = 60): Sharp {
  return sharp(noise(width, height, 1 + index), { raw: { width, height, channels: 4 } }).modulate({ hue: 90 * index });
}

/** The chunks of a PNG. */
export function pngChunksOf(file: Buffer): [type: string, content: Buffer][] {
  const chunks: [string, Buffer][] = [];
  for (let at = 8; at < file.length; at += 12 + file.readUInt32BE(at)) {
    const start = at + 8;
    chunks.push([file.toString("latin1", at + 4, start), file.subarray(start, start + file.readUInt32BE(at))]);
  }
  return chunks;
}

/** An animated PNG of frames of noise; the default image in several chunks (W3C PNG 3, 4.9 and 11.3.6). */
export async function apng(frames: number): Promise<Buffer> {
  const [width, height] = [90, 60];
  const pixels = await frame(0, width, height).removeAlpha().raw().toBuffer();
  const rows = Array.from({ length: height }, (_, row) =>
    Buffer.concat([Buffer.alloc(1), pixels.subarray(3 * width * row, 3 * width * (row + 1))]),
  );
  const data = deflateSync(Buffer.concat(rows));
  const control = (number: number) =>
    Buffer.concat([
      ...[number, width, height, 0, 0].map((value) => uint(4, value)),
      uint(2, 1),
      uint(2, 10),
      uint(2, 0),
    ]);
  const more = Array.from({ length: frames - 1 }, (_, index): [string, Buffer][] => [
    ["fcTL", control(2 * index + 1)],
    ["fdAT", Buffer.concat([uint(4, 2 * index + 2), deflateSync(Buffer.concat(rows.toReversed()))])],
  ]);
  const header = Buffer.concat([uint(4, width), uint(4, height), Buffer.from([8, 2, 0, 0, 0])]);
  return withChecksums(
    ["IHDR", header],
    ["acTL", Buffer.concat([uint(4, frames), uint(4, 0)])],
    ["fcTL", control(0)],
    ["IDAT", data.subarray(0, 5000)],
    ["IDAT", data.subarray(5000)],
    ...more.flat(),
    ["IEND", Buffer.alloc(0)],
  );
}

/** libpng checks the checksums of the chunks that it needs. */
function withChecksums(...chunks: [type: string, content: Buffer][]): Buffer {
  const file = png(...chunks);
  for (let at = 8; at < file.length; at += 12 + file.readUInt32BE(at)) {
    const end = at + 8 + file.readUInt32BE(at);
    file.writeUInt32BE(crc32(file.subarray(at + 4, end)), end);
  }
  return file;
}

/** A GIF or a WebP of several frames. */
export async function animation(format: "gif" | "webp", frames = 3): Promise<Buffer> {
  const images = await Promise.all(Array.from({ length: frames }, (_, index) => frame(index).png().toBuffer()));
  return sharp(images, { join: { animated: true } })
    .toFormat(format, { lossless: false })
    .toBuffer();
}

/** Sets the flag of a transparent colour in the second image alone (GIF89a specification, 23). */
function withTransparency(gif: Buffer): Buffer {
  const control = Buffer.from([0x21, 0xf9, 4]);
  let number = 0;
  for (let at = gif.indexOf(control); at !== -1; at = gif.indexOf(control, at + 1)) {
    gif[at + 3] = (gif[at + 3]! & ~1) | (number === 1 ? 1 : 0);
    number += 1;
  }
  return gif;
}

/** A JPEG with a thumbnail of a size in its EXIF data, and the orientation of both. */
export async function jpegWithThumbnail(
  picture: Sharp,
  thumbnail: { readonly width: number; readonly height: number; readonly orientation: number },
): Promise<Buffer> {
  const { width, height, orientation } = thumbnail;
  const [jpeg, small] = [
    await picture.clone().jpeg({ quality: 90 }).toBuffer(),
    await picture.clone().resize(width, height, { fit: "fill" }).jpeg().toBuffer(),
  ];
  const entry = (tag: number, type: number, value: number) =>
    Buffer.concat([uint(2, tag), uint(2, type), uint(4, 1), type === 3 ? uint(4, value * 65_536) : uint(4, value)]);
  const main = Buffer.concat([uint(2, 1), entry(0x112, 3, orientation), uint(4, 26)]);
  const second = [entry(0x103, 3, 6), entry(0x201, 4, 8 + 18 + 42), entry(0x202, 4, small.length)];
  const tiff = Buffer.concat([latin1("MM\0*"), uint(4, 8), main, uint(2, 3), ...second, uint(4, 0), small]);
  const segment = Buffer.concat([latin1("\xff\xe1"), uint(2, 8 + tiff.length), latin1("Exif\0\0"), tiff]);
  return Buffer.concat([jpeg.subarray(0, 2), segment, jpeg.subarray(2)]);
}

/** An item of a HEIF; `data` lies in the file, in this order. */
export interface Item {
  readonly id: number;
  readonly type: string;
  readonly data: Buffer;
  /** Numbers of its properties, from one. */
  readonly properties: readonly number[];
}

export interface HeifParts {
  readonly brands: readonly [string, ...string[]];
  readonly items: readonly Item[];
  readonly primary: number;
  readonly properties: readonly Buffer[];
  readonly references?: readonly Buffer[];
  /** Whether the data stands before the `meta` box. */
  readonly isDataFirst?: boolean;
}

const full = Buffer.alloc(4);

/** ISO/IEC 23008-12: a file of items. */
export function heifOf({ brands, items, primary, properties, references, isDataFirst }: HeifParts): Buffer {
  const data = box("mdat", ...items.map((item) => item.data));
  const type = fileType(...brands);
  const meta = (dataAt: number) => {
    let at = dataAt + 8;
    const locations = items.map((item) => {
      at += item.data.length;
      return Buffer.concat([uint(2, item.id), uint(2, 0), uint(2, 1), uint(4, at - item.data.length), uint(4, item.data.length)]); // prettier-ignore
    });
    return box(
      "meta",
      full,
      box("hdlr", full, full, "pict", Buffer.alloc(13)),
      box("pitm", full, uint(2, primary)),
      box("iloc", full, uint(2, 0x4400), uint(2, items.length), ...locations),
      box(
        "iinf",
        full,
        uint(2, items.length),
        ...items.map((item) => box("infe", uint(4, 0x02000000), uint(2, item.id), uint(2, 0), `${item.type}\0`)),
      ),
      ...(references ? [box("iref", full, ...references)] : []),
      box(
        "iprp",
        box("ipco", ...properties),
        box(
          "ipma",
          full,
          uint(4, items.length),
          ...items.map((item) =>
            Buffer.concat([uint(2, item.id), Buffer.from([item.properties.length, ...item.properties])]),
          ),
        ),
      ),
    );
  };
  if (isDataFirst) return Buffer.concat([type, data, meta(type.length)]);
  return Buffer.concat([type, meta(type.length + meta(0).length), data]);
}

export const reference = (type: string, from: number, ...to: readonly number[]) =>
  box(type, uint(2, from), uint(2, to.length), ...to.map((item) => uint(2, item)));

export const storedSize = (width: number, height: number) => box("ispe", full, uint(4, width), uint(4, height));

/** A photo of 3 MB and a thumbnail of 20 kB behind it, without decodable pixels. */
export function heicWithThumbnail(options: { readonly isDataFirst?: boolean; readonly side?: number } = {}): Buffer {
  const { isDataFirst = false, side = 320 } = options;
  return heifOf({
    brands: ["heic", "mif1"],
    primary: 1,
    isDataFirst,
    properties: [storedSize(4000, 3000), storedSize(side, (side * 3) / 4), box("irot", "\x01")],
    references: [reference("dimg", 1, 2, 3), reference("thmb", 4, 1), reference("cdsc", 5, 1)],
    items: [
      { id: 1, type: "grid", data: latin1("\0\0\0\x01\x0f\xa0\x0b\xb8"), properties: [1, 3] },
      { id: 2, type: "hvc1", data: Buffer.alloc(1_500_000, 2), properties: [1] },
      { id: 3, type: "hvc1", data: Buffer.alloc(1_500_000, 3), properties: [1] },
      { id: 4, type: "hvc1", data: Buffer.alloc(20_000, 4), properties: [2, 3] },
      { id: 5, type: "Exif", data: Buffer.alloc(500_000, 5), properties: [] },
    ],
  });
}

const progressive = { progressive: true, quality: 90 };

/** Files of which a part is enough, or whose facts lie in unusual places. */
export const planFiles: Readonly<Record<string, readonly [name: MeasuredName, make: () => Promise<Buffer>]>> = {
  "a JPEG": ["jpeg", () => photo(300, 200).jpeg().toBuffer()],
  "a turned JPEG": ["jpeg", () => photo(300, 200).withMetadata({ orientation: 6 }).jpeg().toBuffer()],
  "a progressive JPEG": ["jpeg", () => photo(1024, 768).jpeg(progressive).toBuffer()],
  "a JPEG with a thumbnail": [
    "jpeg",
    () => jpegWithThumbnail(photo(900, 600), { width: 150, height: 100, orientation: 6 }),
  ],
  "a JPEG and a film": [
    "jpeg",
    async () => Buffer.concat([await photo(300, 200).jpeg().toBuffer(), noise(300, 200, 1)]),
  ],
  "a PNG": ["png", () => photo(120, 80).png().toBuffer()],
  "a turned PNG": ["png", () => photo(120, 80).withMetadata({ orientation: 6 }).png().toBuffer()],
  "an animated PNG": ["apng", () => apng(3)],
  "an animated PNG of one frame": ["apng", () => apng(1)],
  "a GIF": ["gif", () => photo(120, 80).gif().toBuffer()],
  "an animated GIF": ["gif", () => animation("gif")],
  "an animated GIF with a transparent second image": ["gif", async () => withTransparency(await animation("gif"))],
  "a lossy WebP": ["webp", () => photo(300, 200).removeAlpha().webp().toBuffer()],
  "a lossless WebP": ["webp", () => photo(120, 80).webp({ lossless: true }).toBuffer()],
  "a WebP with opacity": ["webp", () => sharp(noise(120, 80, 1, { alpha: true }), { raw: { width: 120, height: 80, channels: 4 } }).webp().toBuffer()], // prettier-ignore
  "a WebP with a profile": ["webp", () => photo(300, 200).withIccProfile("p3").webp().toBuffer()],
  "a turned WebP": ["webp", () => photo(300, 200).withMetadata({ orientation: 6 }).webp().toBuffer()],
  "an animated WebP": ["webp", () => animation("webp")],
  "an AVIF": ["avif", () => photo(300, 200).avif({ effort: 0 }).toBuffer()],
  "an AVIF with opacity": ["avif", () => sharp(noise(120, 80, 1, { alpha: true }), { raw: { width: 120, height: 80, channels: 4 } }).avif({ effort: 0 }).toBuffer()], // prettier-ignore
  "a TIFF": ["tiff", () => photo(120, 80).tiff().toBuffer()],
  "an SVG": [
    "svg",
    () => Promise.resolve(Buffer.from('<svg xmlns="http://www.w3.org/2000/svg" width="30" height="20"/>')),
  ],
};
