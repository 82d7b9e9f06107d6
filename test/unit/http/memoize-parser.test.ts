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

test("a memoized parser does not keep the result of a text above the maximum length", () => {
  const { parsed, parse } = countingParser();
  const targetOf = memoizeParser(parse, { maxBytes: twoTexts, maxLength: 10 });
  for (const text of ["https://a/1", "https://a/1"]) targetOf(text);
  expect(parsed).toEqual(["https://a/1", "https://a/1"]);
});
