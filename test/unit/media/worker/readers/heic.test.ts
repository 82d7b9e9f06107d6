import { expect, test } from "vitest";
import { reader } from "../../../../../src/media/worker/readers/heic.ts";
import { ffmpeg } from "../../../../support/decoder.ts";
import { heicOf, hevc, runFfmpeg } from "../../../../support/media-files.ts";
import { requires } from "../../../../support/require.ts";

const [width, height] = [90, 50]; // rows of the library are longer

/** Red above, blue below; white at the right end. */
function file(quarters: number, profile?: Buffer): Buffer {
  const boxes = [`drawbox=y=${height / 2}:h=${height / 2}:color=blue:t=fill`, "drawbox=x=80:w=10:color=white:t=fill"];
  const source = ["-f", "lavfi", "-i", `color=red:s=${width}x${height}:d=0.04:r=25`, "-vf", boxes.join()];
  const movie = runFfmpeg("a.mp4", [...source, ...hevc, "yuv420p"]);
  return heicOf(movie, { width, height, quarters }, ["heic", "mif1"], profile);
}

async function show(body: Uint8Array) {
  const shown = await reader.show(body);
  if (!shown || !("raster" in shown)) throw new Error("no raster");
  const { raster, profile } = shown;
  const colourAt = (x: number, y: number) => {
    const [red, green, blue, alpha] = raster.rgba.subarray(4 * (y * raster.width + x));
    return [red! > 128 ? "r" : "", green! > 128 ? "g" : "", blue! > 128 ? "b" : "", alpha].join("");
  };
  expect(raster.rgba).toHaveLength(4 * raster.width * raster.height);
  return { size: [raster.width, raster.height], colourAt, profile };
}

test.skipIf(requires("ffmpeg", ffmpeg !== null))("each pixel of a HEIC is in its place, upright", async () => {
  const { size, colourAt, profile } = await show(file(0));
  expect([size, profile]).toEqual([[width, height], null]);
  const places = [[0, 0], [70, 0], [89, 0], [89, 30], [0, 49], [70, 40], [89, 49]] as const; // prettier-ignore
  expect(places.map(([x, y]) => colourAt(x, y))).toEqual(["r255", "r255", "rgb255", "rgb255", "b255", "b255", "rgb255"]); // prettier-ignore
  const turned = await show(file(1, Buffer.from("a profile")));
  expect([turned.size, turned.profile?.toString()]).toEqual([[height, width], "a profile"]);
  expect([turned.colourAt(0, 0), turned.colourAt(0, 60), turned.colourAt(49, 60)]).toEqual(["rgb255", "r255", "b255"]);
});

test.skipIf(requires("ffmpeg", ffmpeg !== null))("a HEIC that is broken is rejected, and the next one is read", async () => {
  const whole = file(0);
  const broken = Buffer.from(whole);
  broken.fill(0, broken.indexOf("mdat") + 4);
  await expect(reader.show(broken)).rejects.toThrow("cannot be decoded");
  await expect(reader.show(whole.subarray(0, 40))).rejects.toThrow("not HEIF");
  await expect(reader.show(Buffer.alloc(99, 7))).rejects.toThrow("not HEIF");
  expect((await show(whole)).size).toEqual([width, height]);
}); // prettier-ignore
