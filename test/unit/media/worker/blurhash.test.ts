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
