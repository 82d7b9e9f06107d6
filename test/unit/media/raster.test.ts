import { expect, test } from "vitest";
import { fitWithin, onWhite, shrink } from "../../../src/media/raster.ts";
import { plain } from "../../support/images.ts";

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
