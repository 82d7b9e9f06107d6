import { expect, test } from "vitest";
import { isDark } from "../../../src/media/dark-hash.ts";
import { rgbaToBlurhash } from "../../../src/media/worker/blurhash.ts";
import { plain } from "../../support/images.ts";

test.each([
  ["black", [0, 0, 0], true],
  ["nearly black", [20, 25, 30], true],
  ["dark red", [60, 0, 0], false],
  ["darkest", [31, 31, 31], true],
  ["red of 32", [32, 0, 0], false],
  ["green of 32", [0, 32, 0], false],
  ["blue of 32", [0, 0, 32], false],
  ["blue of 255", [0, 0, 255], false],
  ["green of 128", [0, 128, 0], false],
  ["white", [255, 255, 255], false],
] as const)("the hash of a %s picture is dark: %s, %s", (_, colour, expected) => {
  const hash = rgbaToBlurhash(16, 9, plain(16, 9, [...colour, 255]), { x: 4, y: 3 });
  expect(isDark(hash)).toBe(expected);
});
