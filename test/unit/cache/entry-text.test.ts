import fc from "fast-check";
import { expect, onTestFinished, test } from "vitest";
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

/** Returns the text of an entry after a change. */
function changedText(change: (entry: Plain) => void): string {
  const entry = JSON.parse(entryToText(key, entryAt(now))) as Plain;
  change(entry);
  return JSON.stringify(entry);
}

test.each([
  ["an entry with a success and a later failure", entryAt(now)],
  [
    "an entry with a success for some fields",
    { success: { ...successAt(now), fields: ["type", "bytes"] as const }, setback: null },
  ],
  ["an entry with a success only", { success: { ...successAt(now), validators: null }, setback: null }],
  ["an entry with a failure only", { success: null, setback: failureAt(now) }],
  [
    "an entry with an incomplete description",
    { success: null, setback: { ...failureAt(now), outcome: { metadata: { ...pictureMetadata, sha256: null } } } },
  ],
])("%s is the same after writing and reading", (_, entry) => {
  expect(textToEntry(entryToText(key, entry), now)).toEqual({ key, entry });
});

test("the largest possible entry is within half of the size limit", () => {
  const type = `${"t".repeat(127)}/${"t".repeat(127)}`;
  const metadata = {
    ...pictureMetadata,
    filename: "語".repeat(255),
    type,
    warnings: warningCodes,
    thumbnail: "A".repeat(400),
  };
  const success = successAt(Number.MAX_SAFE_INTEGER, metadata);
  const etag = `"${"\\".repeat(254)}"`;
  const entry = {
    success: { ...success, validators: { ...success.validators!, etag } },
    setback: { ...failureAt(now), outcome: { metadata } },
  };
  expect(Buffer.byteLength(entryToText(key, entry))).toBeLessThan(maxEntryBytes / 2);
});

test.each<[string, (entry: Plain) => unknown]>([
  ["a missing field", (entry) => delete entry.success!.metadata!.bytes],
  ["an unknown field", (entry) => Object.assign(entry.success!.metadata!, { url: "https://example.org/" })],
  ["an invalid key", (entry) => Object.assign(entry, { key: "../../etc/passwd" })],
  ["a negative size", (entry) => Object.assign(entry.success!.metadata!, { bytes: -1 })],
  ["a size that is no safe integer", (entry) => Object.assign(entry.success!.metadata!, { bytes: 2 ** 60 })],
  ["a width above the maximum", (entry) => Object.assign(entry.success!.metadata!, { width: 2 ** 31 })],
  [
    "a duration of more than a year",
    (entry) => Object.assign(entry.success!.metadata!, { durationMs: 366 * 86_400_000 }),
  ],
  ["a width of half a pixel", (entry) => Object.assign(entry.success!.metadata!, { width: 0.5 })],
  ["a number as text", (entry) => Object.assign(entry.success!.metadata!, { height: "2160" })],
  ["markup in the media type", (entry) => Object.assign(entry.success!.metadata!, { type: "image/<b>" })],
  ["a media type in upper case", (entry) => Object.assign(entry.success!.metadata!, { type: "IMAGE/PNG" })],
  [
    "a blurhash with another number of components",
    (entry) => Object.assign(entry.success!.metadata!, { blurhash: "0".repeat(28) }),
  ],
  ["a thumbnail that is no PNG", (entry) => Object.assign(entry.success!.metadata!, { thumbnail: "https://a/b.png" })],
  ["a thumbhash that is not base64", (entry) => Object.assign(entry.success!.metadata!, { thumbhash: "<script>" })],
  ["a SHA-256 that is too short", (entry) => Object.assign(entry.success!.metadata!, { sha256: "ab" })],
  ["a path as file name", (entry) => Object.assign(entry.success!.metadata!, { filename: "../a.jpg" })],
  ["a line break in the file name", (entry) => Object.assign(entry.success!.metadata!, { filename: "a\n.jpg" })],
  ["an unknown name in its list of fields", (entry) => Object.assign(entry.success!, { fields: ["type", "url"] })],
  ["an unknown warning", (entry) => Object.assign(entry.success!.metadata!, { warnings: ["<script>"] })],
  ["a warning twice", (entry) => Object.assign(entry.success!.metadata!, { warnings: Array(2).fill("body_timeout") })],
  [
    "a header injection in the ETag",
    (entry) => Object.assign(entry.success!.validators!, { etag: '"a"\r\nCookie: a=b' }),
  ],
  [
    "a header injection in the date",
    (entry) => Object.assign(entry.success!.validators!, { lastModified: "a\r\nb: c" }),
  ],
  [
    "a failure that is not caused by the origin",
    (entry) => Object.assign(entry.setback!.outcome!.failure!, { code: "internal" }),
  ],
  [
    "a failure code that is a name in Object.prototype",
    (entry) => Object.assign(entry.setback!.outcome!.failure!, { code: "toString" }),
  ],
  ["an unknown failure reason", (entry) => Object.assign(entry.setback!.outcome!.failure!, { reason: "secret" })],
  [
    "both a failure and a description in one outcome",
    (entry) => Object.assign(entry.setback!.outcome!, { metadata: pictureMetadata }),
  ],
  ["a lookup time in the future", (entry) => Object.assign(entry.success!, { since: now + 86_400_000 })],
  ["a fresh lifetime above the maximum", (entry) => Object.assign(entry.success!, { freshUntil: now * 2 })],
  ["a stale lifetime above the maximum", (entry) => Object.assign(entry.success!, { staleUntil: 1e300 })],
  [
    "a stale-if-error lifetime above the maximum",
    (entry) => Object.assign(entry.success!, { staleOnErrorUntil: now * 2 }),
  ],
  ["a failure that expires before its lookup", (entry) => Object.assign(entry.setback!, { until: now - 1 })],
  ["neither a success nor a failure", (entry) => Object.assign(entry, { success: null, setback: null })],
  ["a list instead of a success", (entry) => Object.assign(entry, { success: [1, 2, 3, 4, 5, 6] })],
])("an entry with %s is rejected", (_, change) => {
  expect(textToEntry(changedText(change), now)).toBeNull();
});

test("the text of an entry has at most 10 KiB", () => {
  const text = entryToText(key, entryAt(now));
  expect(textToEntry(text.padEnd(10 * 1024), now)).not.toBeNull();
  expect(textToEntry(text.padEnd(10 * 1024 + 1), now)).toBeNull();
});

const dayMs = 86_400_000;

test.each<[string, (entry: Plain) => unknown]>([
  [
    "a lookup time one minute in the future",
    (entry) => Object.assign(entry.setback!, { since: now + 60_000, until: now + 60_000 }),
  ],
  ["a lifetime of 500 days", (entry) => Object.assign(entry.success!, { staleOnErrorUntil: now + 500 * dayMs })],
  [
    "no lifetime",
    (entry) => Object.assign(entry.success!, { freshUntil: now, staleUntil: now, staleOnErrorUntil: now }),
  ],
  ["times of 1970", (entry) => Object.assign(entry.setback!, { since: 0, until: 0 })],
  ["an empty body", (entry) => Object.assign(entry.success!.metadata!, { bytes: 0 })],
  ["status 100", (entry) => Object.assign(entry.setback!.outcome!.failure!, { upstreamStatus: 100 })],
  ["status 999", (entry) => Object.assign(entry.setback!.outcome!.failure!, { upstreamStatus: 999 })],
  ["an animated picture", (entry) => Object.assign(entry.success!.metadata!, { animated: true })],
  [
    "the longest media type",
    (entry) => Object.assign(entry.success!.metadata!, { type: `${"a".repeat(127)}/${"b".repeat(127)}` }),
  ],
])("an entry with %s is accepted", (_, change) => {
  expect(textToEntry(changedText(change), now)).not.toBeNull();
});

test.each<[string, (entry: Plain) => unknown]>([
  [
    "a lookup time more than a minute in the future",
    (entry) => Object.assign(entry.setback!, { since: now + 60_001, until: now + 60_001 }),
  ],
  [
    "a lifetime of more than 500 days",
    (entry) => Object.assign(entry.success!, { staleOnErrorUntil: now + 500 * dayMs + 1 }),
  ],
  ["a time before 1970", (entry) => Object.assign(entry.setback!, { since: -1, until: 1 })],
  ["status 99", (entry) => Object.assign(entry.setback!.outcome!.failure!, { upstreamStatus: 99 })],
  ["status 1000", (entry) => Object.assign(entry.setback!.outcome!.failure!, { upstreamStatus: 1000 })],
  ["a negative number of timeouts", (entry) => Object.assign(entry.setback!, { timeouts: -1 })],
  [
    "a media type of 128 letters",
    (entry) => Object.assign(entry.success!.metadata!, { type: `${"a".repeat(128)}/png` }),
  ],
])("an entry with %s is not accepted", (_, change) => {
  expect(textToEntry(changedText(change), now)).toBeNull();
});

test("an accepted entry cannot be changed", () => {
  const { entry } = textToEntry(entryToText(key, entryAt(now)), now)!;
  expect([entry.success, entry.success!.metadata, entry.success!.metadata.warnings].every(Object.isFrozen)).toBe(true);
});

test.each(["", "null", "[]", "{}", "7", "{", "hello", `"${"a".repeat(100_000)}"`, "\0\0\0"])(
  "the text %j is rejected as an entry",
  (text) => expect(textToEntry(text.slice(0, 100_000), now)).toBeNull(),
);

test("an entry with __proto__ or constructor as a key is rejected, and pollutes no prototype", () => {
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

test("a field that only the prototype of all objects has is missing", () => {
  const text = changedText(({ success }) => {
    delete success!.metadata!.filename;
    success!.metadata!.other = success!.metadata!.width!;
  });
  Object.defineProperty(Object.prototype, "filename", { value: null, configurable: true });
  onTestFinished(() => void Reflect.deleteProperty(Object.prototype, "filename"));
  expect(textToEntry(text, now)).toBeNull();
});

test("every text that is accepted as an entry is written again as the same text", () => {
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

test("an entry with any cleaned file name can be written and read", () => {
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
