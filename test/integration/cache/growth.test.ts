import { describe, expect, test } from "vitest";
import { type CacheKind, measureCacheGrowth } from "../../support/cache-kinds.ts";

// CACHE_BYTES bounds all that the process keeps for its hits: entries, replies, decode results, parsed URLs and bodies.

const cacheBytes = 4 * 1024 ** 2;
const fullest: readonly CacheKind[] = ["longest names and tags", "longest URLs"];

describe("a full cache", { concurrent: true }, () => {
  test.for(fullest)("a cache full of entries of one kind (%s) takes at most 1.3 times its setting", async (kind) => {
    const { ratio } = await measureCacheGrowth(cacheBytes, kind);
    expect(ratio).toBeLessThanOrEqual(1.3);
    expect(ratio).toBeGreaterThan(0.4); // it was full
  });

  test("cached failures of the longest URLs take at most half of the setting: the URLs are not kept", async () => {
    const { ratio } = await measureCacheGrowth(cacheBytes, "failures");
    expect(ratio).toBeLessThanOrEqual(0.5);
    expect(ratio).toBeGreaterThan(0.1);
  });
});
