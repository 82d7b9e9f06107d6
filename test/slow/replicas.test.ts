import { describe, expect, onTestFinished, test } from "vitest";
import { chaos } from "../support/chaos.ts";
import { hasRedis } from "../support/redis.ts";
import { requires } from "../support/require.ts";

describe.skipIf(requires("redis-server", hasRedis))("three replicas that share Redis", () => {
  test("replicas lose and confuse none of 10,000 responses while replicas and Redis are killed, stalled, filled and flushed", async () => {
    const { wrong, asked, answered, again, blows } = await chaos(onTestFinished, 10_000, 5000);
    expect(wrong).toEqual([]);
    expect(answered).toBe(asked);
    console.log(`${again} retries; ${[...blows].map(([name, count]) => `${name} ${count}`).join(", ")}`);
  });
});
