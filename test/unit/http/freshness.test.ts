import { expect, test } from "vitest";
import {
  age,
  cacheControl,
  cacheStatus,
  failureCacheStatus,
  originRetryAfter,
  serverTiming,
} from "../../../src/http/freshness.ts";
import { startDescription, withCacheResult } from "../../../src/domain/description.ts";
import { OracleError } from "../../../src/domain/errors.ts";
import { unknownMetadata } from "../../../src/domain/metadata.ts";

const kept = { since: 1_000_000, until: 1_090_900 };

test("max-age is the whole lifetime: downstream caches subtract Age from it once", () => {
  expect(cacheControl("public", kept)).toBe("public, max-age=90");
  expect(age(kept, 1_030_000)).toBe("30");
});

test("age and lifetime are not negative after the clock was set back", () => {
  expect(age(kept, 0)).toBe("0");
  expect(cacheControl("private", { since: 2, until: 1 })).toBe("private, max-age=0");
});

test("a stale answer has a negative ttl since its expiry", () => {
  expect(cacheStatus("stale", kept, 1_100_900)).toBe("media-oracle; hit; ttl=-10; detail=stale");
});

test("a stale answer has a ttl of 0 if its expiry is unknown, or in the future after the clock was set back", () => {
  expect(cacheStatus("stale", null, 1_100_900)).toBe("media-oracle; hit; ttl=0; detail=stale");
  expect(cacheStatus("stale", kept, 1_000_000)).toBe("media-oracle; hit; ttl=0; detail=stale");
});

test("Cache-Status of an unreachable target hides the cache result", () => {
  const told = (["hit", "miss", "collapsed"] as const).map((cached) =>
    failureCacheStatus("source_unreachable", cached, kept, 1_000_000),
  );
  expect(new Set(told)).toEqual(new Set(["media-oracle"]));
  expect(failureCacheStatus("source_status", "hit", kept, 1_000_000)).toBe("media-oracle; hit");
});

test("Cache-Status distinguishes a revalidated answer from a miss", () => {
  expect(cacheStatus("revalidated", kept, 1_000_000)).toBe("media-oracle; fwd=stale; fwd-status=304");
  expect(cacheStatus("miss", kept, 1_000_000)).toBe("media-oracle; fwd=miss");
  expect(cacheStatus("collapsed", kept, 1_000_000)).toBe("media-oracle; fwd=miss; collapsed");
});

test("Server-Timing omits stages that were not reached", () => {
  const description = startDescription((progress) => {
    progress.addTime("queue", 1.26);
    progress.addTime("fetch", 20);
    return Promise.resolve(unknownMetadata);
  });
  expect(serverTiming(description)).toBe("queue;dur=1.3, fetch;dur=20.0");
});

test.each([
  ["hit", "queue;dur=0"],
  ["stale", "queue;dur=0"],
  ["collapsed", "queue;dur=0.0, decode;dur=2.0"],
  ["miss", "queue;dur=0.0, decode;dur=2.0"],
] as const)("Server-Timing of the cache result %s is %s", (cached, timing) => {
  const lookup = startDescription((progress) => {
    progress.addTime("decode", 2);
    return Promise.resolve(unknownMetadata);
  });
  expect(serverTiming(withCacheResult(lookup, () => cached))).toBe(timing);
});

test.each([
  ["429: until the service asks the origin again", { upstreamStatus: 429 }, kept, 1_000_000, "91"],
  ["503 with a Retry-After that ends later", { upstreamStatus: 503, retryAfterMs: 100_000 }, kept, 1_000_000, "100"],
  ["503 with a Retry-After that ends earlier", { upstreamStatus: 503, retryAfterMs: 5000 }, kept, 1_000_000, "91"],
  ["503 that is not cached", { upstreamStatus: 503, retryAfterMs: 1 }, null, 1_000_000, "1"],
  ["503 without any pause", { upstreamStatus: 503 }, null, 1_000_000, null],
  ["503 whose entry has just expired", { upstreamStatus: 503 }, kept, kept.until, null],
  ["503 whose entry is about to expire", { upstreamStatus: 503 }, kept, kept.until - 1, "1"],
  ["404, also with a Retry-After", { upstreamStatus: 404, retryAfterMs: 5000 }, kept, 1_000_000, null],
] as const)("Retry-After of an origin's status %s", (_, details, lifetime, now, seconds) => {
  expect(originRetryAfter(new OracleError("source_status", "of the test", details), lifetime, now)).toBe(seconds);
});

test("Retry-After never shows how long an unreachable target is cached", () => {
  const error = new OracleError("source_unreachable", "of the test", { upstreamStatus: 503, retryAfterMs: 5000 });
  expect(originRetryAfter(error, kept, 1_000_000)).toBeNull();
});
