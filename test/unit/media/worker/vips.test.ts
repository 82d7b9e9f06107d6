import sharp from "sharp";
import { expect, test } from "vitest";
import { createVips } from "../../../../src/media/worker/vips.ts";
import { plain } from "../../../support/images.ts";

test("libvips decodes no more pixels than the size in the call allows", async () => {
  const file = await sharp(plain(60, 40, [1, 200, 3, 255]), { raw: { width: 60, height: 40, channels: 4 } })
    .png()
    .toBuffer();
  const vips = await createVips(["png"]);
  expect((await vips.readRasters(file, { width: 60, height: 40 })).blurhash).toMatchObject({ width: 60, height: 40 });
  await expect(vips.readRasters(file, { width: 60, height: 39 })).rejects.toThrow("pixel limit");
});
