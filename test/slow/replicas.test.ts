import { describe, expect, onTestFinished, test } from "vitest";
import { chaos } from "../support/chaos.ts";
import { hasRedis } from "../support/redis.ts";
import { requires } from "../support/require.ts";

describe.skipIf(requires("redis-server", hasRedis))("three replicas with a Redis between them", () => {
  test("lose and mix up none of 10,000 answers while they and the Redis are killed, stalled, filled and flushed", async () => {
    const { wrong, asked, answered, again, blows } = await chaos(onTestFinished, 10_000, 5000);
    expect(wrong).toEqual([]);
    expect(answered).toBe(asked);
    console.log(`${again} sent again; ${[...blows].map(([name, count]) => `${name} ${count}`).join(", ")}`);
  });
});
