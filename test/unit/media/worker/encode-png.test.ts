import { crc32, inflateSync } from "node:zlib";
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

test.each([0, 9])("opaque pixels are encoded as a PNG without an alpha channel, at level %i", async (level) => {
  const rgba = noise(7, 5, 1);
  const file = encodePng({ width: 7, height: 5, rgba }, { level });
  expect(await sharp(file, { failOn: "warning" }).metadata()).toMatchObject({
    ...{ format: "png", width: 7, height: 5, channels: 3, depth: "uchar", isProgressive: false, hasProfile: false },
  });
  expect(await sharp(file).ensureAlpha().raw().toBuffer()).toEqual(Buffer.from(rgba));
  expect(file.byteLength).toBe(8 + 25 + 12 + 12 + file.readUInt32BE(33));
});

test("the chunks of an encoded PNG have the right checksums", () => {
  const file = encodePng({ width: 7, height: 5, rgba: noise(7, 5, 1) }, { profile: Buffer.alloc(9), level: 1 });
  const names: string[] = [];
  for (let at = 8; at < file.length; at += 12 + file.readUInt32BE(at)) {
    const end = at + 8 + file.readUInt32BE(at);
    names.push(file.toString("latin1", at + 4, at + 8));
    expect(file.readUInt32BE(end)).toBe(crc32(file.subarray(at + 4, end)));
  }
  expect(names).toEqual(["IHDR", "iCCP", "IDAT", "IEND"]);
  expect(inflateSync(file.subarray(file.indexOf("IDAT") + 4, -16))).toHaveLength(5 * (1 + 7 * 3));
});
