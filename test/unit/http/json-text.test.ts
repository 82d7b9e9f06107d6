import fc from "fast-check";
import { expect, test } from "vitest";
import { findJsonError } from "../../../src/http/json-text.ts";

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

test.for<[text: string, offset: number]>([
  ["", 0],
  ["{", 1],
  ['{"a"', 4],
  ['{"a":1,}', 7],
  ["[1,]", 3],
  ["[1 2]", 3],
  ["{'a':1}", 1],
  ["{a:1}", 1],
  ['{"a":01}', 6],
  ['{"a":nul}', 5],
  ['{"a":"\n"}', 6],
  ['{"a":"\\x"}', 6],
  ['{"a":1]', 6],
  ["{} {}", 3],
  ["1.", 1],
  ["\u00a01", 0],
])("the first error of the JSON %j is at offset %i", ([text, offset]) => {
  expect(findJsonError(text)).toBe(offset);
});

test("the error of a list of plain texts that is cut anywhere is at its end", () => {
  const word = fc.stringMatching(/^[a-z ]*$/);
  const lists = fc.array(fc.oneof(word, fc.array(word), fc.dictionary(word, word)));
  const cuts = fc.tuple(lists, fc.nat()).map(([list, at]) => {
    const text = JSON.stringify(list);
    return text.slice(0, at % text.length);
  });
  fc.assert(
    fc.property(cuts, (text) => {
      expect(findJsonError(text)).toBe(text.length);
    }),
  );
});

test("the text before the first error of a text has no earlier error", () => {
  const texts = fc.string({
    unit: fc.constantFrom("{", "}", "[", "]", ":", ",", '"', "\\", "u", "1", "-", ".", "e", " ", "null"),
  });
  fc.assert(
    fc.property(texts, (text) => {
      fc.pre(!isJson(text));
      const offset = findJsonError(text);
      expect(offset).toBeLessThanOrEqual(text.length);
      expect(findJsonError(text.slice(0, offset))).toBe(offset);
    }),
    { numRuns: 2000 },
  );
});

test("a megabyte of brackets is searched without recursion", () => {
  expect(findJsonError("[".repeat(2 ** 20))).toBe(2 ** 20);
});
