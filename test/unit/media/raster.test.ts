import { expect, test } from "vitest";
import { type Raster, type Size, fitWithin, isOpaque, onWhite, shrink } from "../../../src/media/raster.ts";
import { noise, plain } from "../../support/images.ts";

test.each([
  [
    { width: 4000, height: 3000 },
    { width: 100, height: 75 },
  ],
  [
    { width: 3000, height: 4000 },
    { width: 75, height: 100 },
  ],
  [
    { width: 1, height: 2000 },
    { width: 1, height: 100 },
  ],
  [
    { width: 2000, height: 1 },
    { width: 100, height: 1 },
  ],
  [
    { width: 100, height: 100 },
    { width: 100, height: 100 },
  ],
  [
    { width: 60, height: 40 },
    { width: 60, height: 40 },
  ],
])("%o is brought within 100 x 100 as %o", (size, expected) => expect(fitWithin(size, 100)).toEqual(expected));

test("half transparent black on white is mid grey, opaque colours stay", () => {
  const rgba = Uint8Array.of(0, 0, 0, 128, 10, 20, 30, 255, 200, 0, 0, 0);
  expect([...onWhite({ width: 3, height: 1, rgba }).rgba]).toEqual([
    127, 127, 127, 255, 10, 20, 30, 255, 255, 255, 255, 255,
  ]);
});

test("a translucent colour on white is mixed with it by its opacity, to the nearest level", () => {
  const rgba = Uint8Array.of(10, 20, 30, 128, 200, 100, 0, 1, 255, 254, 253, 254);
  expect([...onWhite({ width: 3, height: 1, rgba }).rgba]).toEqual([
    132, 137, 142, 255, 255, 254, 254, 255, 255, 254, 253, 255,
  ]);
});

test("an opaque raster is its own composite on white", () => {
  const raster = { width: 3, height: 2, rgba: plain(3, 2, [0, 0, 0, 255]) };
  expect(onWhite(raster)).toBe(raster);
});

test.each([0, 1, 5])("a raster of six pixels is not opaque if pixel %i is translucent", (pixel) => {
  const rgba = plain(3, 2, [0, 0, 0, 255]);
  rgba[4 * pixel + 3] = 254;
  expect(isOpaque({ width: 3, height: 2, rgba })).toBe(false);
});

/** Averages over the area that each pixel covers, one pixel of the result at a time. */
function average({ width, height, rgba }: Raster, to: Size): number[] {
  const [wide, high] = [width / to.width, height / to.height];
  const overlap = (place: number, from: number, length: number) =>
    Math.max(0, Math.min(place + 1, from + length) - Math.max(place, from));
  const pixels = Array.from({ length: to.width * to.height }, (_, pixel) => {
    const [left, top] = [(pixel % to.width) * wide, Math.floor(pixel / to.width) * high];
    let [red, green, blue, alpha] = [0, 0, 0, 0];
    for (let y = 0; y < height; y += 1) {
      for (let x = 0; x < width; x += 1) {
        const at = 4 * (y * width + x);
        const weight = overlap(x, left, wide) * overlap(y, top, high) * rgba[at + 3]!;
        red += weight * rgba[at]!;
        green += weight * rgba[at + 1]!;
        blue += weight * rgba[at + 2]!;
        alpha += weight;
      }
    }
    const colour = [red, green, blue].map((sum) => (alpha > 0 ? sum / alpha : 0));
    return [...colour, alpha / (wide * high)];
  });
  return pixels.flat();
}

test.each([
  [10, 10, 7, 3],
  [13, 5, 4, 5],
  [5, 13, 5, 4],
  [9, 9, 3, 3],
  [8, 8, 8, 8],
  [11, 7, 1, 1],
  [2, 9, 1, 8],
  [31, 17, 30, 16],
])("each pixel of a raster of %i x %i that is shrunk to %i x %i is an average of its area", (width, height, x, y) => {
  for (const alpha of [true, false]) {
    const raster = { width, height, rgba: noise(width, height, 7, { alpha }) };
    const expected = average(raster, { width: x, height: y });
    const { rgba, ...size } = shrink(raster, { width: x, height: y });
    expect(size).toEqual({ width: x, height: y });
    expect(rgba).toHaveLength(expected.length);
    expect(Math.max(...expected.map((value, at) => Math.abs(value - rgba[at]!)))).toBeLessThan(0.501);
  }
});

test("transparent pixels that are shrunk are transparent black", () => {
  const rgba = plain(4, 4, [200, 100, 50, 0]);
  expect([...shrink({ width: 4, height: 4, rgba }, { width: 2, height: 2 }).rgba]).toEqual([...plain(2, 2, [0, 0, 0, 0])]); // prettier-ignore
});

test("a shrunk raster of one colour has that colour, at sizes that do not divide", () => {
  const raster = { width: 128, height: 77, rgba: plain(128, 77, [12, 200, 99, 140]) };
  expect([...shrink(raster, { width: 100, height: 60 }).rgba]).toEqual([...plain(100, 60, [12, 200, 99, 140])]);
});

test("pixels are averaged by the area they cover", () => {
  const rgba = Uint8Array.of(0, 0, 0, 255, 90, 90, 90, 255, 180, 180, 180, 255);
  const grey = shrink({ width: 3, height: 1, rgba }, { width: 2, height: 1 }).rgba;
  expect([...grey]).toEqual([30, 30, 30, 255, 150, 150, 150, 255]);
});

test("the colour of transparent pixels does not bleed into their neighbours", () => {
  const rgba = Uint8Array.of(255, 0, 0, 255, 0, 255, 0, 0);
  expect([...shrink({ width: 2, height: 1, rgba }, { width: 1, height: 1 }).rgba]).toEqual([255, 0, 0, 128]);
});
