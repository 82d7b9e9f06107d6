import { expect, test } from "vitest";
import { OracleError } from "../../../src/domain/errors.ts";
import { createPauses } from "../../../src/fetch/pauses.ts";

const start = Date.parse("Tue, 10 Jun 2025 12:00:00 GMT");

function openPauses({ maxOrigins = 100 } = {}) {
  const clock = { ms: start };
  const pauses = createPauses({ defaultMs: 60_000, maxMs: 3_600_000, maxOrigins, now: () => clock.ms });
  const failure = (origin: string) => {
    try {
      pauses.check(origin);
      return null;
    } catch (error) {
      return error as OracleError;
    }
  };
  return { pauses, clock, failure };
}

test.for<[retryAfter: string | null, seconds: number]>([
  [null, 60],
  ["120", 120],
  ["0", 1],
  ["Tue, 10 Jun 2025 12:05:00 GMT", 300],
  ["Tue, 10 Jun 2025 11:00:00 GMT", 1],
  ["86400", 3600],
  ["9".repeat(400), 3600],
  ["Fri, 01 Jan 9999 00:00:00 GMT", 3600],
  ["soon", 60],
  ["-5 seconds", 60],
  ["", 60],
])("Retry-After: %s begins a backoff of %i seconds", ([retryAfter, seconds]) => {
  const { pauses, clock, failure } = openPauses();
  expect(pauses.begin("https://a", 503, retryAfter)).toBe(seconds * 1000);
  clock.ms += seconds * 1000 - 1;
  expect(failure("https://a")).toMatchObject({ code: "source_status", upstreamStatus: 503, retryAfterMs: 1 });
  clock.ms += 1;
  expect(failure("https://a")).toBeNull();
});

test("a Retry-After backoff applies to one scheme, host and port only", () => {
  const { pauses, failure } = openPauses();
  pauses.begin("https://a", 429, "60");
  expect([failure("https://b"), failure("http://a")]).toEqual([null, null]);
});

test("the number of backoffs in memory is bounded: the oldest are dropped", () => {
  const { pauses, failure } = openPauses({ maxOrigins: 3 });
  for (const host of ["a", "b", "c", "a", "d"]) pauses.begin(host, 503, null);
  expect(["a", "b", "c", "d"].filter((host) => failure(host))).toEqual(["a", "c", "d"]);
});
