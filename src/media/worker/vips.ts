import sharp, { type Sharp } from "sharp";
import { type Size, createSize } from "../../domain/size.ts";
import { type DecodableName, type FormatDecoding, type Opened, formats } from "../formats/index.ts";
import type { VipsDecoding } from "../formats/format.ts";
import { type Raster, fitWithin, onWhite, shrink } from "../raster.ts";
import { encodePng } from "./encode-png.ts";
import type { Pixels } from "./reader.ts";
import { samples } from "./samples.ts";

// The only file that uses libvips (through sharp). It runs only in workers.

/** The header of a picture, as read by libvips. */
export interface VipsMeasurement {
  /** As displayed. */
  readonly size: Size;
  readonly opened: Opened;
}

/** The input rasters of the hashes and the thumbnail. */
export interface Rasters {
  /** Upright, first frame, sRGB, composited on white; each side at most 128, proportions not kept. */
  readonly blurhash: Raster;
  /** The same with transparency, within 100 x 100, proportions kept. */
  readonly thumbhash: Raster;
}

export interface ReadOptions {
  /** Most pixels of the file; false for any number. Default: those of the size. */
  readonly maxPixels?: number | false;
  /** Whether a warning of the loader is an error. Default: false. */
  readonly isStrict?: boolean;
  /** Dots an inch at which a drawing is rendered. Default: 72. */
  readonly density?: number | undefined;
}

export interface Vips {
  /** Reads the header alone, of a body or of its first bytes. Null if libvips cannot, or if the size is out of range. */
  measure(bytes: Uint8Array, options?: Pick<ReadOptions, "density">): Promise<VipsMeasurement | null>;
  /**
   * Decodes the pixels.
   *
   * @param size as displayed: the proportions of the result
   * @throws Error if libvips cannot, if bytes of the picture are missing, or if it has too many pixels
   */
  readRasters(bytes: Uint8Array, size: Size, options?: ReadOptions): Promise<Rasters>;
  /** Makes the rasters from pixels that another library has decoded. */
  sample(pixels: Pixels): Promise<Rasters>;
}

/** Version of the loaded libvips. */
export const libvips = sharp.versions.vips;

// Error of the 4x3 hash against the one of all pixels, photos: 4.3 of 255 at 64, 2.6 at 128, 1.3 at 256; but at 256 the
// JPEG loader must decode four times as much (a 1 megapixel JPEG: 8 ms instead of 5).
const sampleSide = 128;
const thumbhashSample = 100; // the format's own bound

/**
 * Averages in sRGB, as every browser's canvas does, not in linear light. `gamma()` would bring the worst errors over the
 * corpus from 16 to 8 (fine black and white patterns), but switches the loaders' scaling off, and its 8 bits
 * move plain dark pictures by 15; in 16 bits it doubles the time.
 */
function sampled(picture: Sharp, size: Size): Sharp {
  return picture
    .resize({ width: Math.min(sampleSide, size.width), height: Math.min(sampleSide, size.height), fit: "fill" })
    .toColourspace("srgb")
    .raw({ depth: "uchar" });
}

type OpenOptions = ReadOptions & Required<Pick<ReadOptions, "maxPixels">>;

// Dots an inch, by which libvips scales a drawing: at 96 a pixel of it becomes 4/3.
const vipsDensity = 72;

// Limit against pixel bombs. The caller checks the work budget by the size in the header; a file may have another size
// for libvips than for our parser.
function open(bytes: Uint8Array, { maxPixels, isStrict = false, density = vipsDensity }: OpenOptions): Sharp {
  return sharp(bytes, {
    density,
    // "none" would pass half a picture, grey below, off as whole. The stricter "error" refuses a PNG with one wrong
    // checksum and "warning" any camera's odd padding: both are shown by every browser.
    failOn: isStrict ? "warning" : "truncated",
    limitInputPixels: maxPixels,
  });
}

/**
 * Reads pictures with libvips; blocks all loaders except those of the enabled formats.
 *
 * Changes the whole process: threads, cache and loaders are libvips' globals.
 *
 * @throws Error if a blocked loader still reads, or an enabled one does not work
 */
export async function createVips(on: readonly DecodableName[]): Promise<Vips> {
  sharp.cache(false);
  sharp.concurrency(1); // one picture a process: more threads cost more memory, and other pictures their core
  const decodings = formats.flatMap(({ decoding }) => (decoding && "loader" in decoding ? decoding : []));
  const loaders = decodings.filter(({ setting }) => isOn(setting, on)).map(({ loader }) => loader);
  sharp.block({ operation: ["VipsForeignLoad"] });
  sharp.unblock({ operation: loaders });
  for (const decoding of decodings) await test(decoding, loaders.includes(decoding.loader));
  return { measure, readRasters, sample };
}

function isOn(setting: string, on: readonly string[]): boolean {
  return on.includes(setting);
}

/** Self-test: `block` and `unblock` accept a misspelt class name silently, so read a sample. */
async function test({ setting, loader }: Extract<FormatDecoding, VipsDecoding>, isExpected: boolean): Promise<void> {
  const isRead = await readRasters(Buffer.from(samples[setting], "base64"), { width: 1, height: 1 }).then(
    () => true,
    () => false,
  );
  if (isExpected && !isRead) throw new Error(`libvips cannot read ${setting}: is ${loader} in this build?`);
  if (!isExpected && isRead) throw new Error(`libvips reads ${setting} although ${loader} is blocked`);
}

async function measure(
  bytes: Uint8Array,
  { density = vipsDensity }: Pick<ReadOptions, "density"> = {},
): Promise<VipsMeasurement | null> {
  // libvips throws the same error for anything wrong with the bytes; sharp throws on an empty buffer.
  const metadata =
    bytes.length === 0
      ? null
      : await open(bytes, { maxPixels: false, density })
          .metadata()
          .catch(() => null);
  const unscaled = (side: number) => Math.max(1, Math.round((side * vipsDensity) / density));
  const size = metadata && createSize(unscaled(metadata.autoOrient.width), unscaled(metadata.autoOrient.height));
  if (!size) return null;
  const { isProgressive, channels, depth, pages = 1, width, height } = metadata;
  const bytesAPixel = channels * (depth === "uchar" ? 1 : 2);
  const opened = { head: bytes, isProgressive, bytesAPixel, pages, pixels: width * height };
  return { size, opened };
}

async function readRasters(bytes: Uint8Array, size: Size, options: ReadOptions = {}): Promise<Rasters> {
  const picture = open(bytes, { maxPixels: size.width * size.height, ...options }).autoOrient();
  return toRasters(await toRaster(sampled(picture, size)), size);
}

async function sample({ raster: { width, height, rgba }, profile }: Pixels): Promise<Rasters> {
  const raw = { raw: { width, height, channels: 4 as const }, limitInputPixels: false };
  const small = await toRaster(sampled(sharp(rgba, raw), { width, height }));
  return toRasters(profile ? await inSrgb(small, profile) : small, { width, height });
}

/** Converts to sRGB through a PNG: libvips takes a profile only with a file. No change if PNG or the profile fails. */
function inSrgb(raster: Raster, profile: Uint8Array): Promise<Raster> {
  return toRaster(sampled(open(encodePng(raster, { profile, level: 0 }), { maxPixels: false }), raster)).catch(
    () => raster,
  );
}

async function toRaster(picture: Sharp): Promise<Raster> {
  const { data, info } = await picture.toBuffer({ resolveWithObject: true });
  return { width: info.width, height: info.height, rgba: info.channels === 4 ? data : withAlpha(data) };
}

/** Adds full opacity to RGB pixels: libvips takes several times as long for it. */
function withAlpha(rgb: Uint8Array): Uint8Array {
  const rgba = new Uint8Array((rgb.length / 3) * 4).fill(255);
  for (let from = 0, to = 0; from < rgb.length; from += 3, to += 4) {
    rgba[to] = rgb[from] ?? 0;
    rgba[to + 1] = rgb[from + 1] ?? 0;
    rgba[to + 2] = rgb[from + 2] ?? 0;
  }
  return rgba;
}

function toRasters(raster: Raster, size: Size): Rasters {
  return { blurhash: onWhite(raster), thumbhash: shrink(raster, fitWithin(size, thumbhashSample)) };
}
