import fc from "fast-check";
import { expect, test } from "vitest";
import { cleanFilename, filenameOfUrl } from "../../../src/domain/filename.ts";

test.for([
  ["https://a.example.org/b/summit.jpg?x=/y.png", "summit.jpg"],
  ["https://a.example.org/na%20me%C3%A9.png", "na meé.png"],
  ["https://a.example.org/100%.png", "100%.png"],
  ["https://a.example.org/%ff.png", "%ff.png"],
  ["https://a.example.org/a%2F..%2Fpasswd", "passwd"],
  ["https://a.example.org/a%5Cb.png", "b.png"],
  ["https://a.example.org/photo%E2%80%AEgpj.exe", "photogpj.exe"],
  ["https://a.example.org/a%00b%0D%0A.png", "ab.png"],
  ["https://a.example.org/%E2%80%AE", null],
  ["https://a.example.org/..%2f", null],
  ["https://a.example.org/b/", null],
  ["https://a.example.org", null],
] as const)("the filename of %s is %j", ([url, name]) => {
  expect(filenameOfUrl(new URL(url))).toBe(name);
});

test("a long filename is cut at 255 characters, never within one", () => {
  expect(cleanFilename("🌄".repeat(300))).toBe("🌄".repeat(127));
  expect(cleanFilename(`${"a".repeat(254)} b.png`)).toBe("a".repeat(254)); // nor does it end with a space
});

test("joiners stay in a filename: emoji and Persian names need them", () => {
  expect(cleanFilename("👩‍🚀.png")).toBe("👩‍🚀.png");
});

test("no filename has a separator, a control or direction character, half a character or over 255 characters", () => {
  fc.assert(
    fc.property(fc.string({ unit: "binary", maxLength: 400 }), (text) => {
      const name = cleanFilename(text) ?? "a";
      expect(name).not.toMatch(/[/\\\p{Cc}\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\p{Cs}]/u);
      expect(name.length).toBeLessThanOrEqual(255);
      expect(cleanFilename(name)).toBe(name);
    }),
    { numRuns: 5000 },
  );
});
