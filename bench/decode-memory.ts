/**
 * `npm run bench:decode-memory`: estimated and measured memory of decoding, each picture in its own process. The factors in
 * the files of `src/media/formats/` come from this table. An argument selects pictures by name: `npm run bench:decode-memory -- HEIC`.
 */
import { readFileSync, writeFileSync } from "node:fs";
import sharp, { type Sharp } from "sharp";
import { type Format, type FormatName, decodableFormats } from "../src/media/formats/index.ts";
import { startProcess } from "../src/media/decode/worker-process.ts";
import { parseAnswer } from "../src/media/protocol.ts";
import { sniff } from "../src/media/formats/sniff.ts";
import { zeroPng } from "../test/support/bombs.ts";
import { corpusBytes, corpusRows } from "../test/support/corpus.ts";
import { builtEntry, ffmpeg, formatNamed } from "../test/support/decoder.ts";
import { heicOf, hevc, runFfmpeg } from "../test/support/media-files.ts";
import { median, printTable } from "./support/table.ts";

const mebibyte = 1024 ** 2;
// Fixed memory of a decode, measured with a picture of a few pixels; the estimates do not include it.
const fixedBytes = 4 * mebibyte;
const allowed = { bytes: Infinity, milliseconds: Infinity };

interface Measurement {
  readonly pixels: number;
  readonly expectedBytes: number;
  readonly grownBytes: number;
  readonly decodeMs: number;
}

function kilobytes(pid: number, key: "VmRSS" | "VmHWM"): number {
  return Number(new RegExp(`^${key}:\\s*(\\d+)`, "m").exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1]);
}

/** Decodes a picture in a new worker and measures it; null if the picture cannot be decoded. */
async function measure(body: Uint8Array, format: Format): Promise<Measurement | null> {
  const settings = { formats: decodableFormats, clips: false };
  const process = startProcess({ entry: builtEntry, settings, environment: {}, wrapper: [] });
  try {
    await process.ready;
    // An empty picture first: its answer arrives after the process has warmed up.
    const empty = { number: 1, operation: "measure", format, bytes: 0, allowed } as const;
    await (
      await process.ask(empty, Buffer.alloc(0))
    ).answer;
    writeFileSync(`/proc/${process.pid!}/clear_refs`, "5"); // proc(5): resets the peak
    const before = kilobytes(process.pid!, "VmRSS");
    const request = { number: 2, operation: "describe", format, bytes: body.byteLength, allowed } as const;
    const answer = parseAnswer((await (await process.ask(request, body)).answer).line, 2);
    if (!answer || answer === "invalid" || answer.warning !== null) return null;
    const grownBytes = 1024 * (kilobytes(process.pid!, "VmHWM") - before);
    const { expectedBytes, decodeMs } = answer;
    const pixels = (answer.width ?? 0) * (answer.height ?? 0);
    return { pixels, expectedBytes: fixedBytes + expectedBytes, grownBytes, decodeMs };
  } finally {
    process.kill();
    await process.ended;
  }
}

/** Makes a picture with the detail of a photo: enlarged noise, which costs encoders and decoders as much as a photo. */
function photo(side: number, channels: 3 | 4 = 3): Sharp {
  const small = Math.ceil(side / 8);
  const bytes = Buffer.alloc(small * small * channels);
  let state = 1;
  for (let at = 0; at < bytes.length; at += 1) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    bytes[at] = state >>> 24;
  }
  const raw = { width: small, height: small, channels };
  return sharp(bytes, { raw, limitInputPixels: false }).resize(side, side);
}

type Make = (side: number) => Promise<Uint8Array>;
type Variant = readonly [string, FormatName, Make];
const encode =
  (channels: 3 | 4, encodePicture: (picture: Sharp) => Sharp): Make =>
  (side) =>
    encodePicture(photo(side, channels)).toBuffer();

/** Encodes with ffmpeg, for formats that libvips cannot write. */
async function byFfmpeg(name: string, picture: Sharp, ...args: readonly string[]): Promise<Buffer> {
  const png = await picture.png({ compressionLevel: 1 }).toBuffer();
  return runFfmpeg(name, ["-i", "photo.png", ...args], { "photo.png": png });
}

const heic =
  (pixels: string): Make =>
  async (side) => {
    const movie = await byFfmpeg("a.mp4", photo(side), ...hevc, pixels);
    return heicOf(movie, { width: side, height: side, quarters: 0 }, ["heic", "mif1"]);
  };

const jxl =
  (channels: 3 | 4, distance: number): Make =>
  (side) =>
    byFfmpeg("a.jxl", photo(side, channels), "-c:v", "libjxl", "-effort", "3", "-distance", String(distance));

/** Makes an icon with one bitmap of 32 bits a pixel. Its header declares twice the height, for the mask. */
const ico: Make = async (side) => {
  const header = Buffer.alloc(6 + 16 + 40);
  const maskBytes = Math.ceil(side / 32) * 4 * side;
  const pixels = await photo(side, 4).raw().toBuffer();
  header.set([0, 0, 1, 0, 1, 0, 0, 0, 0, 0, 1, 0, 32]);
  header.writeUInt32LE(40 + pixels.length + maskBytes, 6 + 8);
  header.writeUInt32LE(6 + 16, 6 + 12);
  header.writeUInt32LE(40, 22);
  header.writeInt32LE(side, 22 + 4);
  header.writeInt32LE(2 * side, 22 + 8);
  header.set([1, 0, 32], 22 + 12);
  return Buffer.concat([header, pixels, Buffer.alloc(maskBytes)]);
};

const bmp =
  (pixels: string): Make =>
  (side) =>
    byFfmpeg("a.bmp", photo(side), "-pix_fmt", pixels);

const ffmpegVariants: readonly Variant[] = [
  ["HEIC", "heic", heic("yuv420p")],
  ["HEIC, 10 bits", "heic", heic("yuv420p10le")],
  ["HEIC 4:4:4", "heic", heic("yuv444p")],
  ["HEIC 4:4:4, 10 bits", "heic", heic("yuv444p10le")],
  ["JPEG XL", "jxl", jxl(3, 1)],
  ["JPEG XL, lossless", "jxl", jxl(3, 0)],
  ["JPEG XL, lossless, alpha", "jxl", jxl(4, 0)],
  ["BMP", "bmp", bmp("bgr24")],
  ["BMP, 32 bits", "bmp", bmp("bgra")],
  ["BMP, 16 bits", "bmp", bmp("rgb555le")],
  ["BMP, palette", "bmp", bmp("pal8")],
  ["ICO", "ico", ico],
]; // prettier-ignore

const variants: readonly Variant[] = [
  ["JPEG", "jpeg", encode(3, (picture) => picture.jpeg())],
  ["JPEG 4:4:4", "jpeg", encode(3, (picture) => picture.jpeg({ chromaSubsampling: "4:4:4" }))],
  ["JPEG, progressive", "jpeg", encode(3, (picture) => picture.jpeg({ progressive: true }))],
  ["JPEG 4:4:4, progressive", "jpeg", encode(3, (picture) => picture.jpeg({ progressive: true, chromaSubsampling: "4:4:4" }))],
  ["JPEG, CMYK, progressive", "jpeg", encode(3, (picture) => picture.toColourspace("cmyk").jpeg({ progressive: true, chromaSubsampling: "4:4:4" }))],
  ["PNG", "png", encode(3, (picture) => picture.png({ compressionLevel: 1 }))],
  ["PNG, alpha", "png", encode(4, (picture) => picture.png({ compressionLevel: 1 }))],
  ["PNG, 16 bits", "png", encode(4, (picture) => picture.toColourspace("rgb16").png({ compressionLevel: 1 }))],
  ["PNG, interlaced", "png", encode(3, (picture) => picture.png({ compressionLevel: 1, progressive: true }))],
  ["PNG, alpha, interlaced", "png", encode(4, (picture) => picture.png({ compressionLevel: 1, progressive: true }))],
  ["PNG, 16 bits, interlaced", "png", (side) => Promise.resolve(zeroPng(side, { colour: 6, depth: 16, isInterlaced: true }))],
  ["PNG, palette, interlaced", "png", encode(3, (picture) => picture.png({ palette: true, effort: 1, progressive: true }))],
  ["WebP", "webp", encode(3, (picture) => picture.webp({ effort: 0 }))],
  ["WebP, alpha", "webp", encode(4, (picture) => picture.webp({ effort: 0 }))],
  ["WebP, lossless", "webp", encode(3, (picture) => picture.webp({ effort: 0, lossless: true }))],
  ["WebP, lossless, alpha", "webp", encode(4, (picture) => picture.webp({ effort: 0, lossless: true }))],
  ["GIF", "gif", encode(3, (picture) => picture.gif({ effort: 1 }))],
  ["AVIF", "avif", encode(3, (picture) => picture.avif({ effort: 0, chromaSubsampling: "4:2:0" }))],
  ["AVIF 4:4:4", "avif", encode(3, (picture) => picture.avif({ effort: 0 }))],
  ["AVIF 4:4:4, alpha", "avif", encode(4, (picture) => picture.avif({ effort: 0 }))],
  ["TIFF", "tiff", encode(3, (picture) => picture.tiff({ compression: "lzw" }))],
  ["TIFF, 16 bits, tiles", "tiff", encode(4, (picture) => picture.toColourspace("rgb16").tiff({ tile: true, compression: "none" }))],
  ...(ffmpeg === null ? [] : ffmpegVariants),
  ["SVG", "svg", (side) => Promise.resolve(Buffer.from(`<svg xmlns="http://www.w3.org/2000/svg" width="${side}" height="${side}"><circle r="${side}"/></svg>`))],
]; // prettier-ignore

const rows: string[][] = [];
function report(name: string, found: readonly Measurement[]): void {
  if (found.length === 0) return;
  const megabytes = (bytes: number) => (bytes / mebibyte).toFixed(1);
  const ratios = found.map(({ expectedBytes, grownBytes }) => expectedBytes / grownBytes);
  const short = found.map(({ expectedBytes, grownBytes }) => grownBytes - expectedBytes);
  const worst = found[short.indexOf(Math.max(...short))]!;
  const largest = found.reduce((one, other) => (other.pixels > one.pixels ? other : one));
  rows.push([
    name,
    String(found.length),
    (largest.pixels / 1e6).toFixed(1),
    median(ratios).toFixed(2),
    `${Math.min(...ratios).toFixed(2)} – ${Math.max(...ratios).toFixed(2)}`,
    `${megabytes(worst.expectedBytes)} / ${megabytes(worst.grownBytes)}`,
    (largest.grownBytes / largest.pixels).toFixed(2),
    ((largest.decodeMs * 1e6) / largest.pixels).toFixed(1),
  ]);
}

const nameFilter = process.argv[2] ?? "";
for (const [name, format, make] of variants.filter(([name]) => name.includes(nameFilter))) {
  const found: Measurement[] = [];
  for (const side of [1000, 2000, 3500, 5000]) {
    const measurement = await measure(await make(side), formatNamed(format));
    if (measurement) found.push(measurement);
  }
  report(name, found);
}
const corpus = new Map<string, Measurement[]>();
for (const row of nameFilter ? [] : corpusRows().filter(({ kind }) => kind === "image")) {
  const body = corpusBytes(row);
  const format = sniff(body);
  const measurement = format?.decoding && (await measure(body, format));
  // Skip smaller pictures: the fixed memory of a decode dominates their ratio.
  if (!measurement || measurement.pixels < 250_000) continue;
  corpus.set(format.name, [...(corpus.get(format.name) ?? []), measurement]);
}
for (const [name, found] of [...corpus].sort()) report(`corpus, ${name}, from 0.25 MP`, found);
printTable(
  "Memory of a decode: estimate plus 4 MiB, and measurement (growth of the peak, VmHWM)",
  [
    "format",
    "pictures",
    "largest, MP",
    "estimated / measured, median",
    "minimum – maximum",
    "worst, MiB",
    "bytes a pixel",
    "ns a pixel",
  ],
  rows,
);
