import sharp from "sharp";
import { expect, test } from "vitest";
import { encodePng } from "../../../../src/media/worker/encode-png.ts";
import { noise } from "../../../support/images.ts";

test("pixels with an ICC profile are encoded as a PNG with the same pixels and profile", async () => {
  const rgba = noise(7, 5, 1, { alpha: true });
  const { icc } = await sharp(noise(8, 8, 2), { raw: { width: 8, height: 8, channels: 4 } })
    .withIccProfile("p3")
    .png()
    .toBuffer()
    .then((file) => sharp(file).metadata());
  const picture = sharp(encodePng({ width: 7, height: 5, rgba }, { profile: icc!, level: 0 }), { ignoreIcc: true });
  expect(await picture.metadata()).toMatchObject({ width: 7, height: 5, channels: 4, icc });
  expect(await picture.raw().toBuffer()).toEqual(Buffer.from(rgba));
});
