import sharp, { type Sharp } from "sharp";
import { describe, expect, test } from "vitest";
import { readGifSize } from "../../../../src/media/formats/gif.ts";
import { readJpegHeader, readJpegSize } from "../../../../src/media/formats/jpeg-segments.ts";
import { readPngHeader, readPngSize } from "../../../../src/media/formats/png.ts";
import { readWebpSize } from "../../../../src/media/formats/webp.ts";
import { plain } from "../../../support/images.ts";

const picture = () => sharp(plain(123, 45, [1, 200, 3, 100]), { raw: { width: 123, height: 45, channels: 4 } });

describe("the size is read from the first bytes", () => {
  test.each([
    ["a GIF", readGifSize, () => picture().gif()],
    ["a PNG", readPngSize, () => picture().png()],
    ["a lossless WebP", readWebpSize, () => picture().webp({ lossless: true })],
    ["a lossy WebP", readWebpSize, () => picture().flatten().webp()],
    ["a WebP with alpha", readWebpSize, () => picture().webp()],
    ["a JPEG", readJpegSize, () => picture().jpeg()],
    ["a progressive JPEG", readJpegSize, () => picture().jpeg({ progressive: true })],
  ])("the size of %s is read from its first bytes", async (_, read, make) => {
    const file = await make().toBuffer();
    expect(read(file.subarray(0, 400))).toEqual({ width: 123, height: 45 });
    expect(read(file.subarray(0, 9))).toBeNull();
  });

  test.each([1, 2, 3, 4, 5, 6, 7, 8])("the size is as displayed with orientation %i", async (orientation) => {
    const displayed = orientation < 5 ? { width: 123, height: 45 } : { width: 45, height: 123 };
    const marked = picture().withMetadata({ orientation });
    const [jpeg, png] = [await marked.clone().jpeg().toBuffer(), await marked.clone().png().toBuffer()];
    expect([readJpegSize(jpeg), readPngSize(png)]).toEqual([displayed, displayed]);
  });

  test("the size of a PNG is unknown until its pixels begin: EXIF data after a long profile may turn it", async () => {
    const png = await picture().withMetadata({ orientation: 6 }).png().toBuffer();
    const mark = png.indexOf("eXIf") - 4;
    const profile = Buffer.concat([Buffer.from("\0\0\x0b\xb8iCCP", "latin1"), Buffer.alloc(3000 + 4)]);
    const file = Buffer.concat([png.subarray(0, mark), profile, png.subarray(mark)]);
    const pixels = file.indexOf("IDAT") + 4;
    expect([400, 3100, pixels - 1].map((bytes) => readPngSize(file.subarray(0, bytes)))).toEqual([null, null, null]);
    expect(readPngSize(file.subarray(0, pixels))).toEqual({ width: 45, height: 123 });
  });

  test("the size is unknown if EXIF data after the pixels may turn them, or is unreadable", async () => {
    const marked = picture().withMetadata({ orientation: 6 });
    expect(readWebpSize(await marked.clone().webp().toBuffer())).toBeNull();
    const [jpeg, png] = [await marked.clone().jpeg().toBuffer(), await marked.clone().png().toBuffer()];
    for (const file of [jpeg, png]) file.fill(0xff, file.indexOf("II*\0") + 4, file.indexOf("II*\0") + 8);
    expect([readJpegSize(jpeg), readPngSize(png)]).toEqual([null, null]);
  });
});

describe("the header parsers agree with libvips", () => {
  const colour = (pixels: Sharp) => pixels.flatten();
  const grey = (pixels: Sharp) => pixels.flatten().toColourspace("b-w");
  const deep = (pixels: Sharp) => pixels.toColourspace("rgb16");
  const withAlpha = (pixels: Sharp) => pixels;

  test.each([
    ["a PNG of colours", colour, { progressive: false }],
    ["an interlaced PNG", colour, { progressive: true }],
    ["a PNG with opacity", withAlpha, {}],
    ["a grey PNG", grey, {}],
    ["a grey PNG with opacity", (pixels: Sharp) => pixels.toColourspace("b-w"), {}],
    ["a PNG of 16 bits", deep, {}],
    ["a PNG with a palette", colour, { palette: true }],
    ["a PNG with a palette that is transparent in places", withAlpha, { palette: true }],
  ])("the header parser agrees with libvips on %s", async (_, change, options) => {
    const file = await change(picture()).png(options).toBuffer();
    expect(readPngHeader(file)).toEqual(await headerByVips(file));
  });

  test.each([
    ["a JPEG", colour, {}],
    ["a progressive JPEG", colour, { progressive: true }],
    ["a grey JPEG", grey, {}],
    ["a JPEG in four inks", (pixels: Sharp) => pixels.flatten().toColourspace("cmyk"), {}],
  ])("the header parser agrees with libvips on %s", async (_, change, options) => {
    const file = await change(picture()).jpeg(options).toBuffer();
    expect(readJpegHeader(file)).toEqual(await headerByVips(file));
  });

  test("a JPEG with a scan for each colour counts as progressive: libjpeg buffers all of it", async () => {
    const jpeg = await colour(picture()).jpeg().toBuffer();
    const scan = jpeg.indexOf("\xff\xda", "latin1");
    const file = Buffer.concat([jpeg.subarray(0, scan), Buffer.from("\xff\xda\0\x08\x01\x01\0\0\x3f\0", "latin1")]);
    expect(readJpegHeader(file)).toMatchObject({ isProgressive: true });
    expect(readJpegHeader(file)).toEqual(await headerByVips(file));
  });

  test.each([0, 1, 0xd0, 0xd7, 0xd8])("a JPEG with a decoy frame after marker %i has no size", async (marker) => {
    const [large, small] = [
      await colour(picture().resize(1000)).jpeg().toBuffer(),
      await colour(picture()).jpeg().toBuffer(),
    ];
    // A parser that reads "ff e5" as a length finds the small picture; one that searches for the next marker skips it.
    const skipped = Buffer.alloc(0xffff);
    small.copy(skipped, 0xffe5 - 2, small.indexOf("\xff\xc0", "latin1"));
    const file = Buffer.concat([Buffer.from([0xff, 0xd8, 0xff, marker, 0xff, 0xe5]), skipped, large.subarray(2)]);
    file.writeUInt16BE(skipped.length, 6);
    expect([readJpegHeader(file), readJpegSize(file)]).toEqual([null, null]);
  });

  async function headerByVips(file: Buffer) {
    const { width, height, isProgressive, channels, depth } = await sharp(file).metadata();
    return { size: { width, height }, isProgressive, bytesAPixel: channels * (depth === "uchar" ? 1 : 2) };
  }
});

describe("the size of a GIF", () => {
  const gif = (screen: readonly [number, number], [left, top, width, height]: readonly number[]) =>
    Buffer.from([...Buffer.from("GIF89a"), screen[0], 0, screen[1], 0, 0, 0, 0, 0x2c, left!, 0, top!, 0, width!, 0, height!, 0, 0]); // prettier-ignore

  test.each([
    ["its logical screen, which the first image may not fill", gif([90, 60], [0, 0, 10, 5]), [90, 60]],
    ["as much as its first image needs", gif([90, 60], [20, 10, 80, 20]), [100, 60]],
    ["that of its first image if the screen is empty", gif([0, 0], [0, 0, 30, 20]), [30, 20]],
  ])("the size of a GIF is %s", (_, file, [width, height]) => {
    expect(readGifSize(file)).toEqual({ width, height });
    expect(readGifSize(file.subarray(0, -2))).toBeNull();
  });

  test("a GIF of height 0 without an image has no size", () => {
    expect(readGifSize(Buffer.from("GIF89a\x03\0\0\0\0\0\0;", "latin1"))).toBeNull();
  });
});

test("a JPEG of only fill bytes or empty segments has no size", () => {
  expect(readJpegSize(Buffer.alloc(100_000, 0xff))).toBeNull();
  expect(readJpegSize(Buffer.from("\xff\xd8" + "\xff\xe0\0\0".repeat(50_000), "latin1"))).toBeNull();
});
