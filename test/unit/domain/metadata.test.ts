import { expect, test } from "vitest";
import { isBlurhash, isThumbhash, isThumbnail, maxThumbnailCharacters } from "../../../src/domain/metadata.ts";

const png = Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]).toString("base64");

test("a thumbnail is a data URI of a PNG with at most 400 characters", () => {
  const start = `data:image/png;base64,${png.replace(/=+$/, "")}`;
  const thumbnailOf = (characters: number) => start.padEnd(characters, "A");
  expect(maxThumbnailCharacters).toBe(400);
  expect([399, 400, 401].map((characters) => isThumbnail(thumbnailOf(characters)))).toEqual([true, true, false]);
  expect(isThumbnail(thumbnailOf(100).replace("png", "gif"))).toBe(false);
});

test("a thumbhash has 5 to 25 bytes in base64", () => {
  for (let bytes = 5; bytes <= 25; bytes += 1) expect(isThumbhash(Buffer.alloc(bytes).toString("base64"))).toBe(true);
  for (const bytes of [0, 1, 4, 28]) expect(isThumbhash(Buffer.alloc(bytes).toString("base64"))).toBe(false);
});

test("a blurhash has 4 x 3 components, and 28 characters of base 83", () => {
  const blurhash = "LEHV6nWB2yk8pyo0adR*.7kCMdnj";
  const others = [blurhash.slice(1), `${blurhash}A`, `K${blurhash.slice(1)}`, blurhash.replace("E", "<"), ""];
  expect([blurhash, ...others].map(isBlurhash)).toEqual([true, ...others.map(() => false)]);
});
