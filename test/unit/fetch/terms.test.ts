import { expect, test } from "vitest";
import { conditionsOf, cacheHeadersOf } from "../../../src/fetch/terms.ts";

const lastModified = "Tue, 10 Jun 2025 12:00:00 GMT";
const urlHash = "0".repeat(64);

test.for<[name: string, headers: Record<string, string | string[]>, conditions: Record<string, string> | null]>([
  ["a strong tag", { etag: '"abc-1"' }, { "if-none-match": '"abc-1"' }],
  ["a weak tag", { etag: 'W/"abc"' }, { "if-none-match": 'W/"abc"' }],
  ["a date", { "last-modified": lastModified }, { "if-modified-since": lastModified }],
  [
    "both",
    { etag: '"a"', "last-modified": lastModified },
    { "if-none-match": '"a"', "if-modified-since": lastModified },
  ],
  ["neither", {}, null],
  ["a tag without quotes", { etag: "abc" }, null],
  ["a tag with a quote inside", { etag: '"a"b"' }, null],
  ["a tag with a line break", { etag: '"a\r\nX-Forwarded-For: 127.0.0.1"' }, null],
  ["a tag with a space", { etag: '"a b"' }, null],
  ["a tag in Latin-1", { etag: '"caf\u00e9"' }, null],
  ["a list of tags", { etag: '"a", "b"' }, null],
  ["two tags", { etag: ['"a"', '"b"'] }, null],
  ["a star", { etag: "*" }, null],
  ["an endless tag", { etag: `"${"a".repeat(300)}"` }, null],
  ["a date that is none", { "last-modified": "Tue, 99 Foo 2025 12:00:00 GMT" }, null],
  ["a date in another form", { "last-modified": "2025-06-10" }, null],
  ["a date with more behind it", { "last-modified": `${lastModified}\r\nX: y` }, null],
  ["two dates", { "last-modified": [lastModified, lastModified] }, null],
])("a conditional request sends %s unchanged, or not at all", ([, headers, conditions]) => {
  const { validators } = cacheHeadersOf(headers, urlHash, false);
  expect(validators && conditionsOf(validators)).toEqual(conditions);
});

test("the values of a repeated header are joined", () => {
  const { cacheControl, expires } = cacheHeadersOf(
    { "cache-control": ["no-cache", "max-age=5"], expires: ["0", "1"] },
    urlHash,
    false,
  );
  expect([cacheControl, expires]).toEqual(["no-cache, max-age=5", "0, 1"]);
});
