import { expect, test } from "vitest";
import { OracleError } from "../../../src/domain/errors.ts";
import type { Target } from "../../../src/domain/target.ts";
import { memoizeParser } from "../../../src/http/memoize-parser.ts";

function countingParser(): { parsed: string[]; parse: (text: string) => Target } {
  const parsed: string[] = [];
  return {
    parsed,
    parse(text) {
      parsed.push(text);
      if (!URL.canParse(text)) throw new OracleError("url_invalid", "not a URL");
      const url = new URL(text);
      return { href: url.href, url, via: null };
    },
  };
}

// Each of two generations has room for two short texts.
const twoTexts = 5_400;

test("a memoized parser parses a text once", () => {
  const { parsed, parse } = countingParser();
  const targetOf = memoizeParser(parse, { maxBytes: twoTexts, maxLength: 100 });
  expect(targetOf("https://a/1")).toBe(targetOf("https://a/1"));
  expect(parsed).toEqual(["https://a/1"]);
});

test("a memoized parser parses and rejects an invalid text each time", () => {
  const { parsed, parse } = countingParser();
  const targetOf = memoizeParser(parse, { maxBytes: twoTexts, maxLength: 100 });
  expect(() => targetOf("x")).toThrow(OracleError);
  expect(() => targetOf("x")).toThrow(OracleError);
  expect(parsed).toEqual(["x", "x"]);
});

test("a memoized parser keeps the results of texts in use, and evicts others", () => {
  const { parsed, parse } = countingParser();
  const targetOf = memoizeParser(parse, { maxBytes: twoTexts, maxLength: 100 });
  const texts = ["https://a/0", ...Array.from({ length: 20 }, (_, index) => `https://a/${index + 1}`)];
  for (const text of texts) {
    targetOf(text);
    targetOf("https://a/0");
  }
  expect(parsed).toEqual(texts);
  targetOf("https://a/1");
  expect(parsed).toHaveLength(texts.length + 1);
});

test.each([
  { maxBytes: 4 * (1200 + 4 * 10), texts: 2 },
  { maxBytes: 4 * (1200 + 4 * 10) - 2, texts: 1 },
])(
  "in half of $maxBytes bytes a memoized parser keeps $texts texts, each with 1200 bytes and 4 a character",
  ({ maxBytes, texts }) => {
    const parsed: string[] = [];
    const parse = memoizeParser((text) => parsed.push(text), { maxBytes, maxLength: 10 });
    const [a, b, c] = ["a", "b", "c"].map((letter) => letter.repeat(10)) as [string, string, string];
    for (const text of [a, b, c]) parse(text);
    parse(b);
    parse(a); // still in the older half if it had room beside b
    expect(parsed).toEqual(texts === 2 ? [a, b, c] : [a, b, c, a]);
  },
);

test("a memoized parser does not keep the result of a text above the maximum length", () => {
  const { parsed, parse } = countingParser();
  const targetOf = memoizeParser(parse, { maxBytes: twoTexts, maxLength: 10 });
  for (const text of ["https://a/1", "https://a/1"]) targetOf(text);
  expect(parsed).toEqual(["https://a/1", "https://a/1"]);
});
