import sharp from "sharp";
import { describe, expect, test } from "vitest";
import { readGifSize, readJpegSize, readPngSize, readWebpSize } from "../../../src/media/size.ts";
import { plain } from "../../support/images.ts";

const picture = () => sharp(plain(123, 45, [1, 200, 3, 100]), { raw: { width: 123, height: 45, channels: 4 } });

describe("the size is told from the first bytes", () => {
  test.each([
    ["a GIF", readGifSize, () => picture().gif()],
    ["a PNG", readPngSize, () => picture().png()],
    ["a lossless WebP", readWebpSize, () => picture().webp({ lossless: true })],
    ["a lossy WebP", readWebpSize, () => picture().flatten().webp()],
    ["a WebP with alpha", readWebpSize, () => picture().webp()],
    ["a JPEG", readJpegSize, () => picture().jpeg()],
    ["a progressive JPEG", readJpegSize, () => picture().jpeg({ progressive: true })],
  ])("of %s", async (_, read, make) => {
    const file = await make().toBuffer();
    expect(read(file.subarray(0, 400))).toEqual({ width: 123, height: 45 });
    expect(read(file.subarray(0, 9))).toBeNull();
  });

  test("but not of pictures that a mark may turn", async () => {
    const turned = picture().withMetadata({ orientation: 6 });
    expect(readJpegSize(await turned.clone().jpeg().toBuffer())).toBeNull();
    expect(readWebpSize(await turned.clone().webp().toBuffer())).toBeNull();
  });
});

test("a size of nothing is none", () => {
  expect(readGifSize(Buffer.from("GIF89a\x03\0\0\0", "latin1"))).toBeNull();
});

test("a JPEG of nothing but fill bytes and empty segments ends", () => {
  expect(readJpegSize(Buffer.alloc(100_000, 0xff))).toBeNull();
  expect(readJpegSize(Buffer.from("\xff\xd8" + "\xff\xe0\0\0".repeat(50_000), "latin1"))).toBeNull();
});
