import sharp from "sharp";
import { afterAll, expect, test, vi } from "vitest";
import { decodableFormats } from "../../../../src/media/formats/index.ts";
import { createVips } from "../../../../src/media/worker/vips.ts";
import { zeroPng } from "../../../support/bombs.ts";
import { noise, plain } from "../../../support/images.ts";

afterAll(() => {
  sharp.unblock({ operation: ["VipsForeignLoad"] });
  sharp.cache(true);
  sharp.concurrency(0);
});

const picture = (width: number, height: number, rgba: Uint8Array) =>
  sharp(rgba, { raw: { width, height, channels: 4 } });

test("libvips keeps no picture, and uses one thread", async () => {
  sharp.concurrency(3);
  await createVips(["png"]);
  expect(sharp.concurrency()).toBe(1);
  expect(sharp.cache()).toMatchObject({ memory: { max: 0 }, items: { max: 0 } });
});

test("the rasters of a large picture are 128 x 128 pixels, and within 100 x 100 with its proportions", async () => {
  const vips = await createVips(["png"]);
  const size = { width: 400, height: 300 };
  const file = await picture(400, 300, plain(400, 300, [200, 100, 50, 255]))
    .png()
    .toBuffer();
  const { blurhash, thumbhash } = await vips.readRasters(file, size);
  for (const [raster, width, height] of [
    [blurhash, 128, 128],
    [thumbhash, 100, 75],
  ] as const) {
    expect(raster).toMatchObject({ width, height });
    expect(Buffer.from(plain(width, height, [200, 100, 50, 255])).equals(raster.rgba)).toBe(true);
  }
});

test.each([
  ["a PNG", true],
  ["pixels of a reader", false],
])("the rasters of a small picture have all its pixels: %s", async (_, isFile) => {
  const vips = await createVips(["png"]);
  const raster = { width: 9, height: 7, rgba: noise(9, 7, 3) };
  const file = picture(9, 7, raster.rgba).removeAlpha().png();
  const rasters = isFile
    ? await vips.readRasters(await file.toBuffer(), { width: 9, height: 7 })
    : await vips.sample({ raster });
  for (const { rgba, ...size } of [rasters.blurhash, rasters.thumbhash]) {
    expect(size).toEqual({ width: 9, height: 7 });
    expect([...rgba]).toEqual([...raster.rgba]);
  }
});

test("a header is measured as displayed, with what its decode costs", async () => {
  const vips = await createVips(decodableFormats);
  const turned = await picture(30, 20, noise(30, 20, 1)).removeAlpha().withMetadata({ orientation: 6 }).webp().toBuffer(); // prettier-ignore
  const opened = { pages: 1, pixels: 600, bytesAPixel: 3 };
  expect(await vips.measure(turned)).toMatchObject({ size: { width: 20, height: 30 }, opened: { ...opened, head: turned } }); // prettier-ignore
  const deep = await picture(30, 20, noise(30, 20, 1, { alpha: true }))
    .toColourspace("rgb16")
    .png()
    .toBuffer();
  expect(await vips.measure(deep)).toMatchObject({ size: { width: 30, height: 20 }, opened: { ...opened, bytesAPixel: 8 } }); // prettier-ignore
  const frames = await Promise.all(
    [1, 2, 3].map((seed) =>
      picture(8, 8, noise(8, 8, seed))
        .png()
        .toBuffer(),
    ),
  );
  const moving = await sharp(frames, { join: { animated: true } })
    .gif()
    .toBuffer();
  expect(await vips.measure(moving)).toMatchObject({ size: { width: 8, height: 8 }, opened: { pages: 3, pixels: 64 } });
});

test.each([
  [72, 0.5],
  [144, 1],
])("a drawing is measured in CSS pixels at %i dots an inch too", async (density) => {
  const vips = await createVips(["svg"]);
  const drawing = (side: number) => Buffer.from(`<svg xmlns="http://www.w3.org/2000/svg" width="${side}" height="${side / 2}"/>`); // prettier-ignore
  expect(await vips.measure(drawing(60), { density })).toMatchObject({ size: { width: 60, height: 30 } });
  expect(await vips.measure(drawing(1), { density })).toMatchObject({ size: { width: 1, height: 1 } });
});

test("a header is measured, however many pixels it declares", async () => {
  const vips = await createVips(["png"]);
  const file = zeroPng(1, { colour: 2, depth: 8 });
  file.writeUInt32BE(20_000, 16);
  file.writeUInt32BE(20_000, 20);
  expect(await vips.measure(file)).toMatchObject({ size: { width: 20_000, height: 20_000 }, opened: { pixels: 4e8 } });
});

test.each([
  ["nothing", new Uint8Array()],
  ["no picture", Buffer.alloc(50, 7)],
])("%s cannot be measured", async (_, bytes) => {
  const vips = await createVips(["png"]);
  expect(await vips.measure(bytes)).toBeNull();
});

test("libvips decodes no more pixels than the size in the call allows", async () => {
  const file = await sharp(plain(60, 40, [1, 200, 3, 255]), { raw: { width: 60, height: 40, channels: 4 } })
    .png()
    .toBuffer();
  const vips = await createVips(["png"]);
  expect((await vips.readRasters(file, { width: 60, height: 40 })).blurhash).toMatchObject({ width: 60, height: 40 });
  await expect(vips.readRasters(file, { width: 60, height: 39 })).rejects.toThrow("pixel limit");
});

test.each([
  ["a PNG with a wrong checksum", (file: Buffer) => Buffer.concat([file.subarray(0, -16), Buffer.alloc(4), file.subarray(-12)]), "png"],
  ["a JPEG with bytes between its segments", (file: Buffer) => Buffer.concat([file.subarray(0, 2), Buffer.alloc(3), file.subarray(2)]), "jpeg"],
] as const)("%s is decoded as browsers do, unless the caller wants no loader's warning", async (_, damage, format) => {
  const vips = await createVips([format]);
  const file = damage(await picture(9, 7, noise(9, 7, 1)).removeAlpha().toFormat(format).toBuffer());
  const size = { width: 9, height: 7 };
  expect((await vips.readRasters(file, size)).blurhash).toMatchObject(size);
  await expect(vips.readRasters(file, size, { isStrict: true })).rejects.toThrow();
}); // prettier-ignore

test("a picture of which bytes are missing is rejected", async () => {
  const vips = await createVips(["jpeg"]);
  const file = await picture(9, 7, noise(9, 7, 1))
    .removeAlpha()
    .jpeg()
    .toBuffer();
  await expect(vips.readRasters(file.subarray(0, -60), { width: 9, height: 7 })).rejects.toThrow("premature end");
});

test("pixels of a reader in the colours of a profile are converted to sRGB, unless the profile is invalid", async () => {
  const vips = await createVips(["png"]);
  const raster = { width: 2, height: 2, rgba: plain(2, 2, [200, 100, 50, 255]) };
  const wide = await sharp(await picture(8, 8, noise(8, 8, 2)).withIccProfile("p3").png().toBuffer()).metadata(); // prettier-ignore
  const colourOf = async (profile: Uint8Array | null) => {
    const { blurhash, thumbhash } = await vips.sample({ raster, profile });
    expect([...blurhash.rgba]).toEqual([...thumbhash.rgba]);
    return [...blurhash.rgba.subarray(0, 4)];
  };
  const [red, green, blue] = (await colourOf(wide.icc!)) as [number, number, number];
  expect([red > 205, green < 95, blue < 45]).toEqual([true, true, true]); // 215, 93, 32 by libvips 8.18
  expect(await colourOf(Buffer.from("no profile"))).toEqual([200, 100, 50, 255]);
  expect(await colourOf(null)).toEqual([200, 100, 50, 255]);
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
