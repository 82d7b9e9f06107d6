import { expect, test } from "vitest";
import type { Entry } from "../../../src/cache/entry.ts";
import type { LookupResult } from "../../../src/cache/freshness.ts";
import { createCachePolicy } from "../../../src/cache/cache-policy.ts";
import { OracleError } from "../../../src/domain/errors.ts";
import { unknownMetadata } from "../../../src/domain/metadata.ts";
import type { CacheHeaders } from "../../../src/domain/terms.ts";
import { termsWith } from "../../support/terms.ts";

const limits = { minMs: 60_000, maxMs: 604_800_000, defaultMs: 3_600_000, failureMs: 60_000 };
const time = 1_700_000_000_000;
const validators = { etag: '"a"', lastModified: null, urlHash: "0".repeat(64) };
const failure: LookupResult = {
  metadata: null,
  terms: null,
  isConfirmed: false,
  error: new OracleError("source_unreachable", "detail for the log", { reason: "reset" }),
};

function success(headers: Partial<CacheHeaders>, isConfirmed = false): LookupResult {
  return {
    metadata: unknownMetadata,
    fields: null,
    terms: termsWith({ validators, ...headers }),
    isConfirmed,
    error: null,
  };
}

const policyWith = (random: number) => createCachePolicy({ limits, now: () => time, random: () => random });

test.for([
  [0, 0.9],
  [0.5, 1],
  [1, 1.1],
] as const)(
  "jitter changes a TTL by up to a tenth, so that entries of one moment do not expire in one moment",
  ([random, factor]) => {
    const policy = policyWith(random);
    const cached = policy(success({ cacheControl: "max-age=1000" }), null)?.success;
    expect(cached).toMatchObject({
      freshUntil: time + factor * 1_000_000,
      staleUntil: time + factor * 1_000_000 + 100_000,
    });
    expect(policy(failure, null)?.setback).toMatchObject({ until: time + factor * 60_000 });
  },
);

test("an entry survives a JSON round trip unchanged", () => {
  const policy = policyWith(0.5);
  const entry = policy(failure, policy(success({}), null));
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

test.for(["no-store", "private"])("with %s not even the validators are stored", (cacheControl) => {
  expect(policyWith(0.5)(success({ cacheControl }), null)?.success?.validators).toBeNull();
});

test("each 304 restarts the previous TTL, jitter included", () => {
  let now = time;
  const policy = createCachePolicy({ limits, now: () => now, random: () => 1 });
  let entry = policy(success({ cacheControl: "max-age=1000" }), null);
  for (let times = 0; times < 5; times += 1) {
    now += 2_000_000;
    entry = policy(success({}, true), entry);
  }
  expect(entry?.success).toMatchObject({
    since: now,
    freshUntil: now + 1_100_000,
    staleUntil: now + 1_200_000,
    staleOnErrorUntil: now + 1_100_000 + 86_400_000,
  });
});

test.each([
  ["Cache-Control", { cacheControl: "max-age=7200" }],
  ["Expires", { expires: new Date(time + 7_200_000).toUTCString() }],
])("a 304 with %s alone has the TTL of its own headers", (_, headers) => {
  const policy = policyWith(0.5);
  const entry = policy(success(headers, true), policy(success({ cacheControl: "max-age=1000" }), null));
  expect(entry?.success).toMatchObject({ since: time, freshUntil: time + 7_200_000 });
});

test("a success clears the last failure", () => {
  const policy = policyWith(0.5);
  const entry = policy(success({}), policy(failure, null));
  expect(entry?.setback).toBeNull();
});
