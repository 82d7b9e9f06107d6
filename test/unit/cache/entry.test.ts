import { describe, expect, test } from "vitest";
import {
  type Entry,
  findCachedAnswer,
  hasFields,
  isNewer,
  isPubliclyCached,
  isUsableOnError,
  latestPart,
  type LastFailure,
  type Success,
  usefulUntil,
} from "../../../src/cache/entry.ts";
import type { FailureCode } from "../../../src/domain/errors.ts";
import { unknownMetadata } from "../../../src/domain/metadata.ts";

const dayMs = 24 * 60 * 60_000;

// Small numbers instead of epoch milliseconds.
const success: Success = {
  metadata: { ...unknownMetadata, type: "image/png", bytes: 7 },
  fields: null,
  since: 100,
  freshUntil: 200,
  staleUntil: 300,
  staleOnErrorUntil: 400,
  validators: null,
};

function failureWith(code: FailureCode, until = 350): LastFailure {
  return { outcome: { failure: { code, upstreamStatus: null, reason: null } }, since: 250, until, timeouts: 0 };
}

const failure = failureWith("source_status");
const incomplete: LastFailure = { ...failure, outcome: { metadata: success.metadata } };

describe("the answer of an entry", () => {
  const fresh = { cached: "hit", part: success, isDue: false };
  const due = { cached: "stale", part: success, isDue: true };
  const instead = { cached: "stale", part: success, isDue: false };
  const failed = { cached: "hit", part: failure, isDue: false };
  const alone: Entry = { success, setback: null };
  const both: Entry = { success, setback: failure };
  const dead: Entry = { success: null, setback: failure };
  const long: Entry = { success, setback: { ...failure, until: 500 } };

  test.each([
    ["a success is fresh before its end", alone, 199, fresh],
    ["a success is stale from its end on", alone, 200, due],
    ["a success is stale before the end of stale-while-revalidate", alone, 299, due],
    ["a success has no answer after stale-while-revalidate", alone, 300, null],
    ["a fresh success goes before a later failure", both, 199, fresh],
    ["a stale success replaces a failure", both, 200, instead],
    ["a success replaces a failure after stale-while-revalidate too", both, 349, instead],
    ["neither answers after the TTL of the failure", both, 350, null],
    ["a success replaces a failure before the end of stale-if-error", long, 399, instead],
    ["a failure is answered after stale-if-error", long, 400, { ...failed, part: long.setback }],
    ["a failure is a hit before its end", dead, 349, failed],
    ["a failure has no answer from its end on", dead, 350, null],
  ])("%s", (_, entry, time, answer) => {
    expect(findCachedAnswer(entry, time, null)).toEqual(answer);
  });

  test("a success without a requested field does not answer, nor replace a failure", () => {
    const partial: Success = { ...success, fields: ["type"], metadata: { ...success.metadata, bytes: null } };
    expect(findCachedAnswer({ success: partial, setback: null }, 150, ["type"])).toMatchObject({ cached: "hit" });
    expect(findCachedAnswer({ success: partial, setback: null }, 150, ["bytes"])).toBeNull();
    expect(findCachedAnswer({ success: partial, setback: failure }, 250, ["bytes"])).toEqual(failed);
  });
});

test.each([
  ["a fresh success", { success, setback: null }, 150, true],
  ["a stale success", { success, setback: null }, 299, true],
  ["no success after its end", { success, setback: null }, 300, false],
  ["a success that replaces a failure, during stale-while-revalidate", { success, setback: failure }, 299, true],
  ["no success that only replaces a failure", { success, setback: failure }, 300, false],
  ["a failure of the origin", { success: null, setback: failure }, 349, true],
  ["no failure after its end", { success: null, setback: failure }, 350, false],
  ["an incomplete description", { success: null, setback: incomplete }, 349, true],
  ["no unreachable target", { success: null, setback: failureWith("source_unreachable") }, 300, false],
] as const)("callers may learn that the cache has %s", (_, entry, time, isCached) => {
  expect(isPubliclyCached(entry, time, null)).toBe(isCached);
});

test("a success has the fields of its lookup, and those that it knows", () => {
  const partial: Success = { ...success, fields: ["type", "width"] };
  expect(hasFields(success, ["blurhash"])).toBe(true); // looked up, although unknown
  expect(hasFields(partial, ["type", "width"])).toBe(true);
  expect(hasFields(partial, ["bytes"])).toBe(true);
  expect(hasFields(partial, ["bytes", "height"])).toBe(false);
  expect(hasFields(partial, null)).toBe(false);
  expect(hasFields(null, ["type"])).toBe(false);
});

test("stale-if-error lasts until its end, and needs a success", () => {
  expect(isUsableOnError(success, 399)).toBe(true);
  expect(isUsableOnError(success, 400)).toBe(false);
  expect(isUsableOnError(null, 0)).toBe(false);
});

test("the later lookup of two entries decides which one is newer", () => {
  const [older, newer]: Entry[] = [
    { success, setback: null },
    { success, setback: failure },
  ];
  expect(latestPart(older!)).toBe(success);
  expect(latestPart(newer!)).toBe(failure);
  expect(isNewer(newer!, older!)).toBe(true);
  expect(isNewer(older!, newer!)).toBe(false);
  expect(isNewer(older!, older!)).toBe(false);
  expect(isNewer(older!, null)).toBe(true);
});

const validators = { etag: '"a"', lastModified: null, urlHash: "0".repeat(64) };

test.each([
  ["a success: until the end of stale-if-error", { success, setback: null }, 400],
  [
    "a success with validators: a day longer than it is fresh",
    { success: { ...success, validators }, setback: null },
    200 + dayMs,
  ],
  [
    "a success whose stale-if-error ends later than that",
    { success: { ...success, validators, staleOnErrorUntil: 2 * dayMs }, setback: null },
    2 * dayMs,
  ],
  ["a failure: for twice its TTL", { success: null, setback: failure }, 450],
  ["a success with a short failure", { success, setback: failureWith("source_status", 300) }, 400],
  ["a success with a long failure", { success, setback: failureWith("source_status", 390) }, 530],
] as const)("an entry is useful as long as it may change an answer: %s", (_, entry, until) => {
  expect(usefulUntil(entry)).toBe(until);
});
