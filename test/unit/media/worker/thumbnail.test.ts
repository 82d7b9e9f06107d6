import sharp from "sharp";
import { expect, test } from "vitest";
import { isThumbnail } from "../../../../src/domain/metadata.ts";
import { shrink } from "../../../../src/media/raster.ts";
import { rgbaToThumbnail } from "../../../../src/media/worker/thumbnail.ts";
import { noise, plain } from "../../../support/images.ts";

const decode = async (url: string | null) =>
  sharp(Buffer.from(url!.slice(url!.indexOf(",") + 1), "base64"))
    .ensureAlpha()
    .raw()
    .toBuffer({ resolveWithObject: true });

test.each([
  ["opaque noise", 8, 8, false, [8, 8]],
  ["transparent noise", 8, 8, true, [7, 7]],
  ["a wide picture", 100, 50, false, [8, 4]],
  ["a high picture", 3, 100, true, [1, 8]],
  ["a picture of fewer pixels", 5, 2, true, [5, 2]],
] as const)("the thumbnail of %s is a PNG of at most 400 characters", async (_, width, height, alpha, size) => {
  const rgba = noise(width, height, 1, { alpha });
  const url = rgbaToThumbnail({ width, height, rgba });
  expect(isThumbnail(url!)).toBe(true);
  const { data, info } = await decode(url);
  expect([info.width, info.height]).toEqual(size);
  const small = shrink({ width, height, rgba }, { width: info.width, height: info.height });
  expect(data).toEqual(Buffer.from(small.rgba));
});

test("the thumbnail of a plain transparent picture has its colour and its opacity", async () => {
  const { data, info } = await decode(
    rgbaToThumbnail({ width: 64, height: 64, rgba: plain(64, 64, [200, 40, 60, 128]) }),
  );
  expect([info.width, info.height, ...data.subarray(0, 4)]).toEqual([8, 8, 200, 40, 60, 128]);
});
