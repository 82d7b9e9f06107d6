import sharp from "sharp";
import { expect, test, vi } from "vitest";
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

test("libvips does not start if an enabled loader cannot read its sample, as in a build without it", async ({
  onTestFinished,
}) => {
  const unblock = vi.spyOn(sharp, "unblock").mockReturnValue(undefined);
  onTestFinished(() => unblock.mockRestore());
  await expect(createVips(["png"])).rejects.toThrow("libvips cannot read png");
});

test("libvips does not start if a loader reads although it is blocked", async ({ onTestFinished }) => {
  sharp.unblock({ operation: ["VipsForeignLoad"] });
  const block = vi.spyOn(sharp, "block").mockReturnValue(undefined);
  onTestFinished(() => block.mockRestore());
  await expect(createVips(["png"])).rejects.toThrow(/^libvips reads \w+ although \w+ is blocked$/);
});
