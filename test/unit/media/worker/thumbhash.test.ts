import { rgbaToThumbHash } from "thumbhash";
import { expect, test } from "vitest";
import { rgbaToThumbhash } from "../../../../src/media/worker/thumbhash.ts";
import { noise, plain } from "../../../support/images.ts";

const gradient = (width: number, height: number) =>
  Uint8Array.from({ length: width * height * 4 }, (_, at) => {
    const [column, row] = [(at >> 2) % width, Math.floor((at >> 2) / width)];
    return [(255 * column) / width, (255 * row) / height, 128, 255][at % 4]!;
  });

test.each([
  ["noise", 100, 67, noise(100, 67, 3)],
  ["noise in portrait", 31, 100, noise(31, 100, 4)],
  ["noise with transparency", 80, 100, noise(80, 100, 5, { alpha: true })],
  ["a gradient", 100, 100, gradient(100, 100)],
  ["a thin gradient", 100, 1, gradient(100, 1)],
  ["a plain colour", 64, 64, plain(64, 64, [120, 200, 40, 255])],
  ["white", 64, 64, plain(64, 64, [255, 255, 255, 255])],
  ["a half transparent colour", 40, 30, plain(40, 30, [10, 20, 200, 128])],
  ["nothing but transparency", 10, 10, plain(10, 10, [0, 0, 0, 0])],
  ["one pixel", 1, 1, plain(1, 1, [9, 8, 7, 255])],
] as const)("the thumbhash of %s has the bytes of the author's package", (_, width, height, pixels) => {
  expect([...rgbaToThumbhash(width, height, pixels)]).toEqual([...rgbaToThumbHash(width, height, pixels)]);
});

test("the thumbhashes of 200 rasters of all shapes equal those of the author's package", () => {
  for (let seed = 1; seed <= 200; seed += 1) {
    const [width, height] = [1 + ((seed * 37) % 100), 1 + ((seed * 61) % 100)];
    const pixels = noise(width, height, seed, { alpha: seed % 3 === 0 });
    expect([...rgbaToThumbhash(width, height, pixels)]).toEqual([...rgbaToThumbHash(width, height, pixels)]);
  }
});
