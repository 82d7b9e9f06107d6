import { expect, test } from "vitest";
import type { Entry } from "../../../src/cache/entry.ts";
import type { LookupResult } from "../../../src/cache/freshness.ts";
import { createCachePolicy } from "../../../src/cache/cache-policy.ts";
import { OracleError } from "../../../src/domain/errors.ts";
import { unknownMetadata } from "../../../src/domain/metadata.ts";
import type { Terms } from "../../../src/domain/terms.ts";
import { termsWith } from "../../support/terms.ts";

const limits = { minMs: 60_000, maxMs: 604_800_000, defaultMs: 3_600_000, failureMs: 60_000 };
const time = 1_700_000_000_000;
const validators = { etag: '"a"', lastModified: null, urlHash: "0".repeat(64) };
const failure: LookupResult = {
  metadata: null,
  terms: null,
  isConfirmed: false,
  error: new OracleError("source_unreachable", "words for the log", { reason: "reset" }),
};

function success(said: Partial<Terms>, isConfirmed = false): LookupResult {
  return {
    metadata: unknownMetadata,
    fields: null,
    terms: termsWith({ validators, ...said }),
    isConfirmed,
    error: null,
  };
}

const rememberAt = (random: number) => createCachePolicy({ limits, now: () => time, random: () => random });

test.for([
  [0, 0.9],
  [0.5, 1],
  [1, 1.1],
] as const)(
  "times differ by up to a tenth, so that what was learnt at once is not asked for at once",
  ([random, by]) => {
    const remember = rememberAt(random);
    const learnt = remember(success({ cacheControl: "max-age=1000" }), null)?.success;
    expect(learnt).toMatchObject({ freshUntil: time + by * 1_000_000, staleUntil: time + by * 1_000_000 + 100_000 });
    expect(remember(failure, null)?.setback).toMatchObject({ until: time + by * 60_000 });
  },
);

test("what is remembered goes through JSON and comes back the same", () => {
  const remember = rememberAt(0.5);
  const entry = remember(failure, remember(success({}), null));
  expect(JSON.parse(JSON.stringify(entry))).toEqual(entry);
  expect(entry).toEqual({
    success: {
      metadata: unknownMetadata,
      fields: null,
      since: time,
      freshUntil: time + 3_600_000,
      staleUntil: time + 4_200_000,
      staleOnErrorUntil: time + 90_000_000,
      validators,
    },
    setback: {
      outcome: { failure: { code: "source_unreachable", upstreamStatus: null, reason: "reset" } },
      since: time,
      until: time + 60_000,
      timeouts: 0,
    },
  } satisfies Entry);
});

test.for(["no-store", "private"])("with %s not even what the origin could be asked with is kept", (cacheControl) => {
  expect(rememberAt(0.5)(success({ cacheControl }), null)?.success?.validators).toBeNull();
});

test("a 304 renews the whole time each time, and neither more nor less", () => {
  let now = time;
  const remember = createCachePolicy({ limits, now: () => now, random: () => 1 });
  let entry = remember(success({ cacheControl: "max-age=1000" }), null);
  for (let times = 0; times < 5; times += 1) {
    now += 2_000_000;
    entry = remember(success({}, true), entry);
  }
  expect(entry?.success).toMatchObject({ since: now, freshUntil: now + 1_100_000, staleUntil: now + 1_200_000 });
});

test("a success ends the setback", () => {
  const remember = rememberAt(0.5);
  const entry = remember(success({}), remember(failure, null));
  expect(entry?.setback).toBeNull();
});
