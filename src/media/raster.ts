import sharp, { type Sharp } from "sharp";
import { type Cost, type DecodableName, type Decoding, formats, type Opened } from "./formats.ts";
import { type Raster, type Size, fitWithin, onWhite, shrink } from "./pixels.ts";

// The only file that knows libvips. It runs in the decoder's processes alone.

/** What is known of a picture before its pixels are decoded. */
export interface Measured extends Size {
  readonly animated: boolean;
  /** What decoding it is expected to take. */
  readonly cost: Cost;
}

/** The two rasters that the hashes are made of. */
export interface Rasters {
  /** Upright, first frame, sRGB, laid on white, at most 128 x 128 whatever the proportions. */
  readonly blurhash: Raster;
  /** The same with transparency kept and within 100 x 100, proportions right. */
  readonly thumbhash: Raster;
}

export interface Reader {
  /** Reads the header alone, of a body or of its first bytes. Null where libvips cannot. */
  measure(bytes: Uint8Array, decoding: Decoding): Promise<Measured | null>;
  /** Decodes the pixels. Null where libvips cannot, or where bytes of the picture are missing. */
  readRasters(bytes: Uint8Array, size: Size): Promise<Rasters | null>;
}

// Error of the 4x3 hash against the one of all pixels, photos: 4.3 of 255 at 64, 2.6 at 128, 1.3 at 256; but at 256 the
// JPEG loader must decode four times as much (a 1 megapixel JPEG: 8 ms instead of 5).
const sample = 128;
const thumbhashSample = 100; // the format's own bound

/**
 * Averages in sRGB, as every browser's canvas does, not in linear light. `gamma()` would bring the worst errors over the
 * corpus from 16 to 8 (fine black and white patterns), but switches the loaders' scaling off, and its 8 bits
 * move plain dark pictures by 15; in 16 bits it doubles the time.
 */
function decode(bytes: Uint8Array, size: Size): Sharp {
  return open(bytes)
    .autoOrient()
    .resize({ width: Math.min(sample, size.width), height: Math.min(sample, size.height), fit: "fill" })
    .toColourspace("srgb")
    .ensureAlpha()
    .raw({ depth: "uchar" });
}

function open(bytes: Uint8Array): Sharp {
  return sharp(bytes, {
    // "none" would pass half a picture, grey below, off as whole. The stricter "error" refuses a PNG with one wrong
    // checksum and "warning" any camera's odd padding: both are shown by every browser.
    failOn: "truncated",
    limitInputPixels: false, // the caller weighs memory, which one number of pixels cannot
  });
}

async function orNull<T>(work: () => Promise<T>): Promise<T | null> {
  try {
    return await work();
  } catch {
    return null; // libvips' only word for anything wrong with the bytes, and sharp's for none at all
  }
}

/**
 * Reads pictures with libvips, whose loaders are all blocked but those of the formats that are on.
 *
 * Changes the whole process: threads, cache and loaders are libvips' globals.
 *
 * @throws where a blocked loader is not blocked, or one that is on does not work
 */
export async function createReader(on: readonly DecodableName[]): Promise<Reader> {
  sharp.cache(false);
  sharp.concurrency(1); // one picture a process: more threads cost more memory, and other pictures their core
  const decodings = formats.flatMap(({ decoding }) => decoding ?? []);
  const loaders = decodings.filter(({ setting }) => isOn(setting, on)).map(({ loader }) => loader);
  sharp.block({ operation: ["VipsForeignLoad"] });
  sharp.unblock({ operation: loaders });
  for (const decoding of decodings) await test(decoding, loaders.includes(decoding.loader));
  return { measure, readRasters };
}

function isOn(setting: string, on: readonly string[]): boolean {
  return on.includes(setting);
}

/** A misspelt class name is accepted silently by `block` and `unblock`: only reading shows what they did. */
async function test({ setting, sample, loader }: Decoding, isExpected: boolean): Promise<void> {
  const rasters = await readRasters(Buffer.from(sample, "base64"), { width: 1, height: 1 });
  if (isExpected && !rasters) throw new Error(`libvips cannot read ${setting}: is ${loader} in this build?`);
  if (!isExpected && rasters) throw new Error(`libvips reads ${setting} although ${loader} is blocked`);
}

async function measure(bytes: Uint8Array, decoding: Decoding): Promise<Measured | null> {
  const metadata = await orNull(() => open(bytes).metadata());
  if (!metadata) return null;
  const { width, height, isProgressive, channels, depth, pages = 1 } = metadata;
  const bytesAPixel = channels * (depth === "uchar" ? 1 : 2);
  const opened: Opened = { head: bytes, isProgressive, bytesAPixel, pages };
  const pixels = width * height;
  return {
    ...metadata.autoOrient,
    animated: decoding.isAnimated(opened),
    cost: {
      bytes: bytes.byteLength + pixels * decoding.bytesPerPixel(opened),
      milliseconds: (pixels * decoding.nanosecondsPerPixel(opened)) / 1e6,
    },
  };
}

async function readRasters(bytes: Uint8Array, size: Size): Promise<Rasters | null> {
  const decoded = await orNull(() => decode(bytes, size).toBuffer({ resolveWithObject: true }));
  if (!decoded) return null;
  const { data, info } = decoded;
  const raster = { width: info.width, height: info.height, rgba: data };
  return { blurhash: onWhite(raster), thumbhash: shrink(raster, fitWithin(size, thumbhashSample)) };
}
