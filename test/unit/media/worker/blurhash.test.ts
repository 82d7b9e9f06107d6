import { join } from "node:path";
import { decode, encode, isBlurhashValid } from "blurhash";
import sharp from "sharp";
import { expect, test } from "vitest";
import { rgbaToBlurhash } from "../../../../src/media/worker/blurhash.ts";
import { blurhashVectors, corpusFolder, corpus } from "../../../support/corpus.ts";
import { noise, plain } from "../../../support/images.ts";
import { describeWith } from "../../../support/require.ts";

const fourByThree = { x: 4, y: 3 };

test("a blurhash of 4 x 3 components has 28 characters and is valid for the reference package", () => {
  const hash = rgbaToBlurhash(32, 20, noise(32, 20, 1), fourByThree);
  expect(hash).toHaveLength(28);
  expect(isBlurhashValid(hash)).toEqual({ result: true });
});

test("a blurhash of the average alone decodes to the same plain colour", () => {
  const hash = rgbaToBlurhash(16, 16, plain(16, 16, [200, 100, 50, 255]), { x: 1, y: 1 });
  const [red, green, blue] = decode(hash, 1, 1);
  expect([red, green, blue]).toEqual([200, 100, 50]);
});

test("a raster of one pixel has a blurhash", () => {
  expect(isBlurhashValid(rgbaToBlurhash(1, 1, plain(1, 1, [1, 2, 3, 255]), fourByThree))).toEqual({ result: true });
});

test("the blurhash equals the reference package's if the largest component is positive", () => {
  // Bright on the left, dark on the right: the first component along x is large and positive.
  const pixels = Uint8Array.from({ length: 64 * 64 * 4 }, (_, at) => (at % 4 === 3 ? 255 : 255 - 4 * ((at >> 2) % 64)));
  expect(rgbaToBlurhash(64, 64, pixels, fourByThree)).toBe(encode(Uint8ClampedArray.from(pixels), 64, 64, 4, 3));
});

test("the blurhashes of 60 rasters of all shapes and numbers of components equal the reference package's", () => {
  for (let seed = 1; seed <= 60; seed += 1) {
    const [width, height] = [2 + ((seed * 37) % 50), 2 + ((seed * 61) % 50)];
    const [x, y] = [1 + (seed % 9), 1 + ((seed * 7) % 9)];
    // Bright at the top left, so that the largest component is positive; the upper levels come with an odd seed.
    const light = (at: number) => 2 - ((at >> 2) % width) / width - Math.floor((at >> 2) / width) / height;
    const pixels = noise(width, height, seed).map((value, at) =>
      at % 4 === 3 ? 255 : (seed % 2 === 0 ? 40 : 110) * light(at) + value / 8,
    );
    expect(rgbaToBlurhash(width, height, pixels, { x, y })).toBe(encode(Uint8ClampedArray.from(pixels), width, height, x, y)); // prettier-ignore
  }
});

test("each level of grey is the average of its own blurhash", () => {
  for (let level = 0; level < 256; level += 1) {
    const hash = rgbaToBlurhash(2, 2, plain(2, 2, [level, 255 - level, level, 255]), { x: 1, y: 1 });
    expect([...decode(hash, 1, 1)]).toEqual([level, 255 - level, level, 255]);
  }
});

test.each([
  ["white and black", [255, 0], "~q"],
  ["black and white", [0, 255], "00"],
] as const)("a component beyond the largest step is the last step: %s", (_, [left, right], digits) => {
  const pixels = Uint8Array.from({ length: 8 * 4 }, (_, at) => (at % 4 === 3 ? 255 : at < 16 ? left : right));
  const hash = rgbaToBlurhash(8, 1, pixels, { x: 2, y: 1 });
  expect(hash).toBe(`1~${hash.slice(2, 6)}${digits}`); // 18 or 0 of each colour
});

test("the components of black are all in the middle, of the smallest scale", () => {
  const hash = rgbaToBlurhash(8, 8, plain(8, 8, [0, 0, 0, 255]), { x: 2, y: 2 });
  expect(hash).toBe(encode(Uint8ClampedArray.from(plain(8, 8, [0, 0, 0, 255])), 8, 8, 2, 2));
});

test("if the largest component is negative, the blurhash is closer to the picture than the reference package's", () => {
  const pixels = Uint8Array.from({ length: 64 * 64 * 4 }, (_, at) => (at % 4 === 3 ? 255 : 4 * ((at >> 2) % 64)));
  const error = (hash: string) =>
    decode(hash, 64, 64).reduce((sum, value, at) => sum + Math.abs(value - pixels[at]!), 0) / pixels.length;
  const ours = rgbaToBlurhash(64, 64, pixels, fourByThree);
  const theirs = encode(Uint8ClampedArray.from(pixels), 64, 64, 4, 3);
  expect(ours).not.toBe(theirs);
  expect(error(ours)).toBeLessThan(error(theirs) / 2);
});

describeWith(corpus, "hashes that other implementations publish", () => {
  const vectors = blurhashVectors().filter(
    ({ family, producerResizes }) => ["abs", "both"].includes(family) && !producerResizes,
  );

  test("the corpus has 100 published blurhashes", () => expect(vectors).toHaveLength(100));

  test.each(vectors)("the blurhash of $image $components is $hash", async ({ image, components: [x, y], hash }) => {
    // These implementations hash the stored pixels: no profile, no orientation, no background.
    const { data, info } = await sharp(join(corpusFolder, image), { ignoreIcc: true })
      .toColourspace("srgb")
      .ensureAlpha()
      .raw()
      .toBuffer({ resolveWithObject: true });
    expect(rgbaToBlurhash(info.width, info.height, data, { x, y })).toBe(hash);
  });
});
