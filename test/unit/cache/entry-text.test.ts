import fc from "fast-check";
import { expect, test } from "vitest";
import { entryToText, maxEntryBytes, textToEntry } from "../../../src/cache/entry-text.ts";
import { createCachePolicy } from "../../../src/cache/cache-policy.ts";
import { warningCodes } from "../../../src/domain/metadata.ts";
import { cleanFilename } from "../../../src/domain/filename.ts";
import { entryAt, failureAt, keyNumber, pictureMetadata, successAt } from "../../support/entries.ts";

const now = 1_800_000_000_000;
const key = keyNumber(1);

interface Plain {
  [name: string]: Plain;
}

/** The entry's text after something was done to it. */
function spoilt(spoil: (entry: Plain) => void): string {
  const entry = JSON.parse(entryToText(key, entryAt(now))) as Plain;
  spoil(entry);
  return JSON.stringify(entry);
}

test.each([
  ["a success and what went wrong since", entryAt(now)],
  ["a success of a head", { success: { ...successAt(now), fields: ["type", "bytes"] as const }, setback: null }],
  ["a success alone", { success: { ...successAt(now), validators: null }, setback: null }],
  ["a failure alone", { success: null, setback: failureAt(now) }],
  [
    "a description cut short",
    { success: null, setback: { ...failureAt(now), outcome: { metadata: { ...pictureMetadata, sha256: null } } } },
  ],
])("%s is read as it was written", (_, entry) => {
  expect(textToEntry(entryToText(key, entry), now)).toEqual({ key, entry });
});

test("the largest entry there can be is within the limit", () => {
  const type = `${"t".repeat(127)}/${"t".repeat(127)}`;
  const metadata = { ...pictureMetadata, filename: "語".repeat(255), type, warnings: warningCodes };
  const success = successAt(Number.MAX_SAFE_INTEGER, metadata);
  const etag = `"${"\\".repeat(254)}"`;
  const entry = {
    success: { ...success, validators: { ...success.validators!, etag } },
    setback: { ...failureAt(now), outcome: { metadata } },
  };
  expect(Buffer.byteLength(entryToText(key, entry))).toBeLessThan(maxEntryBytes / 2);
});

test.each<[string, (entry: Plain) => unknown]>([
  ["a field that is missing", (entry) => delete entry.success!.metadata!.bytes],
  ["a field too many", (entry) => Object.assign(entry.success!.metadata!, { url: "https://example.org/" })],
  ["another key", (entry) => Object.assign(entry, { key: "../../etc/passwd" })],
  ["a negative size", (entry) => Object.assign(entry.success!.metadata!, { bytes: -1 })],
  ["a size past all numbers", (entry) => Object.assign(entry.success!.metadata!, { bytes: 2 ** 60 })],
  ["a width that no picture has", (entry) => Object.assign(entry.success!.metadata!, { width: 2 ** 31 })],
  [
    "a duration of more than a year",
    (entry) => Object.assign(entry.success!.metadata!, { durationMs: 366 * 86_400_000 }),
  ],
  ["half a pixel", (entry) => Object.assign(entry.success!.metadata!, { width: 0.5 })],
  ["a number as text", (entry) => Object.assign(entry.success!.metadata!, { height: "2160" })],
  ["markup in the type", (entry) => Object.assign(entry.success!.metadata!, { type: "image/<b>" })],
  ["a type in capitals", (entry) => Object.assign(entry.success!.metadata!, { type: "IMAGE/PNG" })],
  ["a blurhash of other components", (entry) => Object.assign(entry.success!.metadata!, { blurhash: "0".repeat(28) })],
  ["a thumbhash of another alphabet", (entry) => Object.assign(entry.success!.metadata!, { thumbhash: "<script>" })],
  ["a digest too short", (entry) => Object.assign(entry.success!.metadata!, { sha256: "ab" })],
  ["a path as file name", (entry) => Object.assign(entry.success!.metadata!, { filename: "../a.jpg" })],
  ["a line break in the file name", (entry) => Object.assign(entry.success!.metadata!, { filename: "a\n.jpg" })],
  ["a field that there is not", (entry) => Object.assign(entry.success!, { fields: ["type", "url"] })],
  ["a warning of its own", (entry) => Object.assign(entry.success!.metadata!, { warnings: ["<script>"] })],
  ["a warning twice", (entry) => Object.assign(entry.success!.metadata!, { warnings: Array(2).fill("body_timeout") })],
  ["a header in the tag", (entry) => Object.assign(entry.success!.validators!, { etag: '"a"\r\nCookie: a=b' })],
  ["a header in the date", (entry) => Object.assign(entry.success!.validators!, { lastModified: "a\r\nb: c" })],
  [
    "a failure that is not the origin's",
    (entry) => Object.assign(entry.setback!.outcome!.failure!, { code: "internal" }),
  ],
  ["a failure that is a method", (entry) => Object.assign(entry.setback!.outcome!.failure!, { code: "toString" })],
  ["a reason of its own", (entry) => Object.assign(entry.setback!.outcome!.failure!, { reason: "secret" })],
  ["a failure and a description", (entry) => Object.assign(entry.setback!.outcome!, { metadata: pictureMetadata })],
  ["what is learnt tomorrow", (entry) => Object.assign(entry.success!, { since: now + 86_400_000 })],
  ["what is fresh for ever", (entry) => Object.assign(entry.success!, { freshUntil: now * 2 })],
  ["what is stale for ever", (entry) => Object.assign(entry.success!, { staleUntil: 1e300 })],
  ["what stands in for ever", (entry) => Object.assign(entry.success!, { staleOnErrorUntil: now * 2 })],
  ["what ended before it began", (entry) => Object.assign(entry.setback!, { until: now - 1 })],
  ["nothing", (entry) => Object.assign(entry, { success: null, setback: null })],
  ["a list", (entry) => Object.assign(entry, { success: [1, 2, 3, 4, 5, 6] })],
])("%s is not taken", (_, spoil) => {
  expect(textToEntry(spoilt(spoil), now)).toBeNull();
});

test.each(["", "null", "[]", "{}", "7", "{", "hello", `"${"a".repeat(100_000)}"`, "\0\0\0"])(
  "the foreign text %j is not taken",
  (text) => expect(textToEntry(text.slice(0, 100_000), now)).toBeNull(),
);

test("a prototype in the text reaches nothing", () => {
  const text = entryToText(key, entryAt(now));
  const planted = [
    text.replace('"metadata":{', '"metadata":{"__proto__":{"bytes":1},'),
    text.replace('"bytes":', '"__proto__":'),
    text.replace('{"key"', '{"__proto__":{"polluted":true},"key"'),
    text.replace('"setback":{', '"constructor":{'),
  ];
  for (const each of planted) {
    expect(each).not.toBe(text);
    expect(textToEntry(each, now)).toBeNull();
  }
  expect({}).not.toHaveProperty("polluted");
});

test("whatever text is there, what is taken is written the same again", () => {
  const text = entryToText(key, entryAt(now));
  const edits = fc.record({ at: fc.nat(text.length), length: fc.nat(8), put: fc.string({ maxLength: 8 }) });
  fc.assert(
    fc.property(edits, ({ at, length, put }) => {
      const edited = text.slice(0, at) + put + text.slice(at + length);
      const found = textToEntry(edited, now);
      return found === null || JSON.stringify(JSON.parse(edited)) === entryToText(found.key, found.entry);
    }),
    { numRuns: 3000 },
  );
});

test("every file name that is given out can be read again", () => {
  fc.assert(
    fc.property(fc.string({ unit: "binary", maxLength: 300 }), (name) => {
      const filename = cleanFilename(`${name} ${name}`);
      const entry = { success: successAt(now, { ...pictureMetadata, filename }), setback: null };
      return textToEntry(entryToText(key, entry), now)?.entry.success?.metadata.filename === filename;
    }),
  );
});

test("with any cache headers of an origin, the stored entry can be read again", () => {
  const number = fc.oneof(fc.integer(), fc.double(), fc.bigInt(), fc.constantFrom("9".repeat(400), "-0", "1e9", ""));
  const directive = fc
    .tuple(fc.constantFrom("max-age", "s-maxage", "immutable", "no-cache", "stale-if-error", "private"), number)
    .map(([name, value]) => `${name}=${String(value)}`);
  const date = fc.oneof(
    fc.date({ noInvalidDate: true }).map((date) => date.toUTCString()),
    fc.string(),
    fc.constantFrom("0", "-1", "Thu, 01 Jan 1970 00:00:00 GMT"),
  );
  const maybe = (text: fc.Arbitrary<string>) => fc.option(text, { nil: undefined });
  const terms = fc.record({
    cacheControl: maybe(fc.array(directive).map((directives) => directives.join(", "))),
    expires: maybe(date),
    age: maybe(number.map(String)),
    date: maybe(date),
    lastModified: maybe(date),
    validators: fc.constant(null),
    isRedirected: fc.boolean(),
  });
  const limits = { minMs: 60_000, maxMs: 365 * 86_400_000, defaultMs: 3_600_000, failureMs: 60_000 };
  const decide = createCachePolicy({ limits, now: () => now, random: () => 1 });
  fc.assert(
    fc.property(terms, (terms) => {
      const entry = decide({ metadata: pictureMetadata, fields: null, terms, isConfirmed: false, error: null }, null);
      expect(textToEntry(entryToText(key, entry!), now)).toEqual({ key, entry });
    }),
    { numRuns: 3000 },
  );
});
