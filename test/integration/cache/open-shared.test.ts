import { pino } from "pino";
import { describe, expect, onTestFinished, test, vi } from "vitest";
import { openShared } from "../../../src/cache/open-shared.ts";
import { parseRedisAddress } from "../../../src/cache/redis-address.ts";
import { entryAt, keyNumber } from "../../support/entries.ts";
import { hasRedis, type RedisServer, startRedis } from "../../support/redis.ts";
import { requires } from "../../support/require.ts";

const info = 30;
const warn = 40;
const ready = { level: info, msg: "Redis is available: sharing the cache" };

function open(server: RedisServer) {
  const lines: unknown[] = [];
  const logger = pino({ base: null, timestamp: false }, { write: (line: string) => lines.push(JSON.parse(line)) });
  const shared = openShared(parseRedisAddress(server.url), logger);
  onTestFinished(() => shared.redis.close());
  const hasLines = (count: number) => vi.waitFor(() => expect(lines).toHaveLength(count), 30_000);
  return { ...shared, lines, hasLines };
}

describe.skipIf(requires("redis-server", hasRedis))("the shared cache", () => {
  test("the log says when Redis is available, and why it is not", async () => {
    const server = await startRedis(onTestFinished);
    const { lines, hasLines, gauges, store } = open(server);
    await hasLines(1);
    expect(gauges.isWell()).toBe(true);
    server.fill(true);
    await store.set(keyNumber(1), entryAt(Date.now()));
    expect(lines).toEqual([
      ready,
      { level: warn, state: "refusing", reason: "OOM", msg: "Redis unavailable (OOM): serving from local memory" },
    ]);
    expect(gauges.isWell()).toBe(false);
    server.fill(false);
    await hasLines(3);
    await server.kill();
    await hasLines(4);
    expect(lines.slice(2)).toEqual([
      ready,
      expect.objectContaining({
        level: warn,
        state: "away",
        msg: expect.stringMatching(/^Redis unavailable \(.+\): serving from local memory$/) as unknown,
      }),
    ]);
  });

  test("entries and counts are under the prefix of the program, and calls are counted", async () => {
    const server = await startRedis(onTestFinished);
    const { hasLines, store, count, gauges } = open(server);
    await hasLines(1);
    await store.set(keyNumber(1), entryAt(Date.now()));
    await count("a client", 60_000);
    expect(server.command("KEYS", "*").split("\n").sort()).toEqual([
      expect.stringMatching(/^media-oracle:count:[\w-]{43}$/),
      `media-oracle:entry:${keyNumber(1)}`,
    ]);
    expect([gauges.calls(), gauges.failures()]).toEqual([2, 0]);
    await server.kill();
    await hasLines(2);
    expect(await store.get(keyNumber(1))).toBeNull();
    expect([gauges.calls(), gauges.failures()]).toEqual([3, 1]);
  });

  test("a lock is released by its holder, and expires after five seconds otherwise", async () => {
    const server = await startRedis(onTestFinished);
    const { hasLines, store } = open(server);
    await hasLines(1);
    let unlock: () => void = () => undefined;
    // On a busy machine a lock may have expired before it is looked at: then the next one is.
    await vi.waitFor(async () => {
      unlock = await store.lock(keyNumber(1));
      const leftMs = Number(server.command("PTTL", `media-oracle:mutex:${keyNumber(1)}`));
      expect(leftMs).toBeGreaterThan(0);
      expect(leftMs).toBeLessThanOrEqual(5000);
    }, 60_000);
    unlock();
    await vi.waitFor(() => expect(server.command("KEYS", "*")).toBe(""), 10_000);
  });
});
