import { expect, test } from "vitest";
import { age, cacheControl, cacheStatus, failureCacheStatus, serverTiming } from "../../../src/http/freshness.ts";
import { startDescription } from "../../../src/domain/description.ts";
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
});

test("Server-Timing omits stages that were not reached", () => {
  const description = startDescription((progress) => {
    progress.addTime("queue", 1.26);
    progress.addTime("fetch", 20);
    return Promise.resolve(unknownMetadata);
  });
  expect(serverTiming(description)).toBe("queue;dur=1.3, fetch;dur=20.0");
});
