import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type LookupResult, freshnessOf } from "../../../src/cache/freshness.ts";
import { type FailureCode, failures, OracleError, type UnreachableReason } from "../../../src/domain/errors.ts";
import { unknownMetadata, type WarningCode, warningCodes } from "../../../src/domain/metadata.ts";
import type { CacheHeaders } from "../../../src/domain/terms.ts";
import { termsWith } from "../../support/terms.ts";

const secondMs = 1000;
const minuteMs = 60 * secondMs;
const hourMs = 60 * minuteMs;
const dayMs = 24 * hourMs;
const limits = { minMs: minuteMs, maxMs: 7 * dayMs, defaultMs: hourMs, failureMs: minuteMs };
const now = Date.parse("Tue, 10 Jun 2025 12:00:00 GMT");
const date = (ms: number) => new Date(now + ms).toUTCString();

function success(headers: Partial<CacheHeaders>, warnings: readonly WarningCode[] = []): LookupResult {
  const metadata = { ...unknownMetadata, warnings };
  return { metadata, fields: null, terms: termsWith(headers), isConfirmed: false, error: null };
}

function failure(error: OracleError): LookupResult {
  return { metadata: null, terms: null, isConfirmed: false, error };
}

const answered = (upstreamStatus: number, retryAfterMs?: number) =>
  failure(
    new OracleError("source_status", "", { upstreamStatus, ...(retryAfterMs !== undefined && { retryAfterMs }) }),
  );
const unreachable = (reason: UnreachableReason) => failure(new OracleError("source_unreachable", "", { reason }));

const of = (result: LookupResult, timeouts = 0) => freshnessOf(result, { limits, timeouts, now });

describe("freshness of a success", () => {
  const tenth = (freshMs: number) => [freshMs, Math.min(freshMs / 10, hourMs), dayMs];
  const lastModified = (ms: number) => [ms, hourMs, dayMs];
  const byDefault = [hourMs, 10 * minuteMs, dayMs];
  const neverStale = (freshMs: number) => [freshMs, 0, 0];

  test.for<[name: string, headers: Partial<CacheHeaders>, times: number[]]>([
    ["max-age", { cacheControl: "public, max-age=600" }, tenth(600_000)],
    ["max-age in capitals", { cacheControl: "Public, Max-Age=600" }, tenth(600_000)],
    ["s-maxage, which overrides max-age", { cacheControl: "max-age=600, s-maxage=1200" }, tenth(1_200_000)],
    ["max-age of less than a minute", { cacheControl: "max-age=5" }, tenth(minuteMs)],
    ["max-age=0", { cacheControl: "max-age=0" }, tenth(minuteMs)],
    ["max-age of a year", { cacheControl: "max-age=31536000" }, tenth(7 * dayMs)],
    ["max-age less Age", { cacheControl: "max-age=600", age: "400" }, tenth(200_000)],
    ["Age beyond max-age", { cacheControl: "max-age=600", age: "4000" }, tenth(minuteMs)],
    ["Expires", { expires: date(2 * hourMs), date: date(0) }, tenth(2 * hourMs)],
    [
      "Expires from a clock that is a year ahead",
      { expires: date(365 * dayMs + hourMs), date: date(365 * dayMs) },
      tenth(hourMs),
    ],
    ["Expires without Date", { expires: date(2 * hourMs) }, tenth(2 * hourMs)],
    ["Expires: 0", { expires: "0" }, tenth(minuteMs)],
    ["max-age, which overrides Expires", { cacheControl: "max-age=600", expires: "0" }, tenth(600_000)],
    ["immutable", { cacheControl: "max-age=600, immutable" }, tenth(7 * dayMs)],
    ["immutable alone", { cacheControl: "immutable" }, tenth(7 * dayMs)],
    ["Last-Modified of ten hours ago", { lastModified: date(-10 * hourMs), date: date(0) }, lastModified(hourMs)],
    ["Last-Modified of a minute ago", { lastModified: date(-minuteMs), date: date(0) }, lastModified(minuteMs)],
    ["Last-Modified of a year ago", { lastModified: date(-365 * dayMs), date: date(0) }, lastModified(dayMs)],
    ["Last-Modified in the future", { lastModified: date(dayMs), date: date(0) }, lastModified(minuteMs)],
    [
      "Last-Modified and a Cache-Control without freshness",
      { cacheControl: "public", lastModified: date(-10 * hourMs) },
      lastModified(hourMs),
    ],
    ["no freshness headers", {}, byDefault],
    ["a Cache-Control without freshness", { cacheControl: "public" }, byDefault],
    ["an invalid Last-Modified", { lastModified: "yesterday" }, byDefault],
    ["no-store", { cacheControl: "no-store, max-age=600" }, neverStale(minuteMs)],
    ["private", { cacheControl: "private, max-age=600" }, neverStale(minuteMs)],
    ["no-store and immutable", { cacheControl: "no-store, immutable" }, neverStale(minuteMs)],
    ["no-cache", { cacheControl: "no-cache" }, neverStale(minuteMs)],
    ["must-revalidate", { cacheControl: "max-age=600, must-revalidate" }, neverStale(600_000)],
    ["proxy-revalidate", { cacheControl: "max-age=600, proxy-revalidate" }, neverStale(minuteMs)],
    ["two max-age, the first of which counts", { cacheControl: "max-age=600, max-age=9999" }, tenth(600_000)],
    ["two Expires that differ", { expires: `${date(hourMs)}, ${date(dayMs)}` }, tenth(minuteMs)],
    ["a negative max-age", { cacheControl: "max-age=-600" }, tenth(minuteMs)],
    ["a max-age of 400 digits", { cacheControl: `max-age=${"9".repeat(400)}` }, tenth(minuteMs)],
    ["a max-age of words", { cacheControl: "max-age=soon" }, tenth(minuteMs)],
    ["a negative Age", { cacheControl: "max-age=600", age: "-4000" }, tenth(600_000)],
    ["two Ages", { cacheControl: "max-age=600", age: "1, 2" }, tenth(600_000)],
  ])("a success with %s has the documented TTL", ([, headers, [freshMs, staleMs, staleOnErrorMs]]) => {
    expect(of(success(headers))).toEqual({ freshMs, staleMs, staleOnErrorMs, previous: "replaced" });
  });

  test("a success behind a redirect is fresh no longer than the default", () => {
    expect(of(success({ cacheControl: "immutable", isRedirected: true }))).toMatchObject({ freshMs: hourMs });
    expect(of(success({ cacheControl: "max-age=600", isRedirected: true }))).toMatchObject({ freshMs: 600_000 });
  });

  const temporary: readonly WarningCode[] = ["body_truncated", "body_timeout", "decode_timeout"]; // their TTLs: see below

  test.for(warningCodes.filter((warning) => !temporary.includes(warning)))(
    "a success with the permanent warning %s has the normal TTL",
    (warning) => {
      expect(of(success({ cacheControl: "max-age=600" }, [warning]))).toEqual(
        of(success({ cacheControl: "max-age=600" })),
      );
    },
  );

  test("hostile headers never move the TTL out of its limits", () => {
    const text = fc.oneof(
      fc.string(),
      fc.stringMatching(/^(max-age|s-maxage|immutable|no-cache|must-revalidate)(=-?\d{0,30})?(, ?max-age=\d{0,400})?$/),
      fc.date().map((time) => (Number.isNaN(time.getTime()) ? "0" : time.toUTCString())),
      fc.integer().map(String),
    );
    const optional = fc.option(text, { nil: undefined });
    const said = fc.record({
      cacheControl: optional,
      expires: optional,
      age: optional,
      date: optional,
      lastModified: optional,
    });
    fc.assert(
      fc.property(said, (terms) => {
        const { freshMs, staleMs, staleOnErrorMs, previous } = of(success(terms))!;
        expect(freshMs).toBeGreaterThanOrEqual(limits.minMs);
        expect(freshMs).toBeLessThanOrEqual(limits.maxMs);
        expect(staleMs).toBeLessThanOrEqual(staleOnErrorMs);
        expect(previous).toBe("replaced");
      }),
    );
  });
});

describe("freshness of a failure", () => {
  test.for<[name: string, result: LookupResult, minutes: number, previous: string]>([
    ["404", answered(404), 10, "dropped"],
    ["410", answered(410), 10, "dropped"],
    ["451", answered(451), 10, "dropped"],
    ["401", answered(401), 5, "kept"],
    ["403", answered(403), 5, "kept"],
    ["429", answered(429), 1, "kept"],
    ["503", answered(503), 1, "kept"],
    ["429 with Retry-After", answered(429, 7 * minuteMs), 7, "kept"],
    ["503 with Retry-After", answered(503, 0.5 * minuteMs), 0.5, "kept"],
    ["500", answered(500), 1, "kept"],
    ["502", answered(502), 1, "kept"],
    ["400", answered(400), 1, "kept"],
    ["a timeout", unreachable("timeout"), 2, "kept"],
    ["a refused address", unreachable("address"), 60, "kept"],
    ["a redirect to a refused address", unreachable("redirect"), 60, "kept"],
    ["a reset", unreachable("reset"), 1, "kept"],
    ["an unknown name", unreachable("name"), 1, "kept"],
    ["an open circuit breaker", unreachable("breaker"), 1, "kept"],
    ["too many redirects", failure(new OracleError("source_redirects", "")), 10, "kept"],
    ["a response that is not HTTP", failure(new OracleError("source_protocol", "")), 1, "kept"],
    ["a truncated body", success({ cacheControl: "max-age=600" }, ["body_truncated"]), 1, "kept"],
    ["a silent body", success({ cacheControl: "max-age=600" }, ["body_timeout"]), 2, "kept"],
    ["a decode timeout", success({ cacheControl: "max-age=600" }, ["decode_timeout"]), 1, "kept"],
  ])("a failure by %s has the documented TTL", ([, result, minutes, previous]) => {
    expect(of(result)).toEqual({ freshMs: minutes * minuteMs, staleMs: 0, staleOnErrorMs: 0, previous });
  });

  test("consecutive timeouts double the TTL, up to ten minutes", () => {
    const minutes = [0, 1, 2, 3, 50].map((timeouts) => of(unreachable("timeout"), timeouts)!.freshMs / minuteMs);
    expect(minutes).toEqual([2, 4, 8, 10, 10]);
  });

  const ofTarget: readonly FailureCode[] = [
    "source_unreachable",
    "source_status",
    "source_redirects",
    "source_protocol",
  ];

  test.for((Object.keys(failures) as FailureCode[]).filter((code) => !ofTarget.includes(code)))(
    "the failure %s is not cached: it is not the target's",
    (code) => {
      expect(of(failure(new OracleError(code, "")))).toBeNull();
    },
  );
});
