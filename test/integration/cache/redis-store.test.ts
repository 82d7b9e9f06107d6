import { beforeAll, beforeEach, describe, expect, onTestFinished, test } from "vitest";
import type { Entry } from "../../../src/cache/entry.ts";
import { createRedis, type BoundedRedis } from "../../../src/cache/redis.ts";
import { parseRedisAddress } from "../../../src/cache/redis-address.ts";
import { createRedisCounter } from "../../../src/cache/redis-counter.ts";
import { createRedisStore } from "../../../src/cache/redis-store.ts";
import type { SharedStore } from "../../../src/cache/shared.ts";
import { entryAt, failureAt, keyNumber } from "../../support/entries.ts";
import { hasRedis, type RedisServer, startRedis } from "../../support/redis.ts";
import { requires } from "../../support/require.ts";

const now = 1_800_000_000_000;
const key = keyNumber(1);
const lockMs = 1000;
const timeoutMs = 200;

describe.skipIf(requires("redis-server", hasRedis))("the Redis store", () => {
  let server: RedisServer;
  let end = () => Promise.resolve();
  beforeAll(async () => {
    server = await startRedis((cleanUp) => (end = async () => cleanUp()));
    return () => end();
  });
  beforeEach(() => server.flush());

  async function openStore(time = now): Promise<{ redis: BoundedRedis; store: SharedStore }> {
    const address = parseRedisAddress(server.url);
    const redis = createRedis({ address, timeoutMs, connectTimeoutMs: 1000, retryMs: 100, keyPrefix: "test:" });
    onTestFinished(() => redis.close());
    const ready = new Promise<void>((resolve) => redis.onChange((state) => state === "ready" && resolve()));
    const store = createRedisStore(redis, { lockMs, pollMs: 20, now: () => time });
    await ready;
    return { redis, store };
  }

  /** Waits for a lock that nobody releases, and returns whether its lifetime is over. */
  async function watchLifetime(store: SharedStore): Promise<() => boolean> {
    const another = keyNumber(2);
    await store.lock(another);
    let isOver = false;
    void store.lock(another).then(() => (isOver = true));
    return () => isOver;
  }

  test("an entry that one replica stores in Redis is read by another replica", async () => {
    const [one, other] = [await openStore(), await openStore()];
    const [both, failure]: Entry[] = [entryAt(now), { success: null, setback: failureAt(now) }];
    await one.store.set(key, both!);
    await one.store.set(keyNumber(2), failure!);
    expect(await other.store.get(key)).toEqual(both);
    expect(await other.store.get(keyNumber(2))).toEqual(failure);
    expect(await other.store.get(keyNumber(3))).toBeNull();
  });

  test("an expired entry is not stored in Redis, and Redis deletes others when they expire", async () => {
    const { store } = await openStore();
    const { store: late } = await openStore(now + 10 * 24 * 3_600_000);
    await late.set(keyNumber(2), entryAt(now));
    expect(server.command("KEYS", "*")).toBe("");
    await store.set(key, { success: null, setback: failureAt(now) });
    const lifetimeMs = Number(server.command("PTTL", `test:entry:${key}`));
    expect(lifetimeMs).toBeGreaterThan(60_000);
    expect(lifetimeMs).toBeLessThanOrEqual(120_000);
  });

  test("a foreign or malformed value in Redis is not read as an entry, and is replaced by the next write", async () => {
    const { store, redis } = await openStore();
    await store.set(keyNumber(2), entryAt(now));
    const name = `test:entry:${key}`;
    server.command("COPY", `test:entry:${keyNumber(2)}`, name); // another URL's
    expect(await store.get(key)).toBeNull();
    server.command("SET", name, "<script>");
    expect(await store.get(key)).toBeNull();
    server.command("SETRANGE", name, "100000000", "x"); // read in part, not whole
    expect(await store.get(key)).toBeNull();
    server.command("DEL", name);
    server.command("HSET", name, "a", "b");
    expect(await store.get(key)).toBeNull();
    await store.set(key, entryAt(now));
    expect(await store.get(key)).toEqual(entryAt(now));
    expect(redis.state).toBe("ready");
  });

  test("a deletion is published to the other replicas, which ignore messages without a valid key", async () => {
    const [one, other] = [await openStore(), await openStore()];
    const received: string[] = [];
    const receivedByFirst: string[] = [];
    let enough: () => void;
    const both = new Promise<void>((resolve) => (enough = resolve));
    one.store.onInvalidated((key) => receivedByFirst.push(key));
    other.store.onInvalidated((key) => received.push(key) === 2 && enough());
    while (server.command("PUBLISH", "test:forgotten", "x ../../etc/passwd") !== "2") await new Promise(setImmediate);
    await one.store.set(key, entryAt(now));
    await one.store.delete(key);
    await one.store.delete(keyNumber(2));
    await both;
    expect(received).toEqual([key, keyNumber(2)]);
    expect(await other.store.get(key)).toBeNull();
    await other.store.delete(keyNumber(3));
    expect(await one.store.get(key)).toBeNull(); // by now the message has arrived
    expect(receivedByFirst).toEqual([keyNumber(3)]);
  });

  test("only one replica has the lock of a key, and the next one gets it as soon as it is released", async () => {
    const [one, other] = [await openStore(), await openStore()];
    const first = await one.store.lock(key);
    await other.store.lock(keyNumber(2)); // locks of other keys are independent
    let hasLock = false;
    const waiting = other.store.lock(key).then((unlock) => {
      hasLock = true;
      return unlock;
    });
    await new Promise((resolve) => setTimeout(resolve, 100));
    expect(hasLock).toBe(false);
    // Without the release it would outlast the wait.
    server.command("PEXPIRE", `test:mutex:${key}`, "60000");
    const firstHolder = server.command("GET", `test:mutex:${key}`);
    first();
    const second = await waiting;
    expect(server.command("GET", `test:mutex:${key}`)).toMatch(/./);
    expect(server.command("GET", `test:mutex:${key}`)).not.toBe(firstHolder);
    second();
  });

  test("a replica whose event loop was blocked for a while still waits for the lock", async () => {
    const [one, other] = [await openStore(), await openStore()];
    const first = await one.store.lock(key);
    let hasLock = false;
    const waiting = other.store.lock(key).then((unlock) => {
      hasLock = true;
      return unlock;
    });
    const end = performance.now() + 2 * timeoutMs;
    while (performance.now() < end);
    await new Promise((resolve) => setTimeout(resolve, timeoutMs / 2)); // by now it would have given up
    expect([hasLock, other.redis.state]).toEqual([false, "ready"]);
    first();
    (await waiting)();
  });

  test("a lock expires if its holder does not release it, and a late release does not delete the next lock", async () => {
    const [one, other] = [await openStore(), await openStore()];
    const stale = await one.store.lock(key);
    const began = performance.now();
    await other.store.lock(key);
    const waitedMs = performance.now() - began;
    expect(waitedMs).toBeGreaterThan(lockMs / 2);
    expect(waitedMs).toBeLessThan(5 * lockMs); // for busy machines
    server.command("SET", `test:mutex:${key}`, "the next holder", "PX", "60000");
    stale();
    await one.store.get(key); // by now the release has been executed
    expect(server.command("EXISTS", `test:mutex:${key}`)).toBe("1");
  });

  test.each([
    ["a lock without expiry", ["SET", `test:mutex:${key}`, "foreign"]],
    ["a lock that outlasts those of replicas", ["SET", `test:mutex:${key}`, "foreign", "PX", "3600000"]],
    ["a value of another kind", ["LPUSH", `test:mutex:${key}`, "foreign"]],
  ])("%s in place of a replica's lock delays no lookup, and stays as it is", async (_, words) => {
    const { redis, store } = await openStore();
    server.command(...words);
    const isLifetimeOver = await watchLifetime(store);
    const unlock = await store.lock(key);
    expect(isLifetimeOver()).toBe(false);
    unlock();
    await store.get(key); // by now a release would have been executed
    expect(server.command("EXISTS", `test:mutex:${key}`)).toBe("1");
    expect([redis.state, redis.failures]).toEqual(["ready", 0]);
  });

  test("a lock with little time left is waited for only until it expires, and is then taken", async () => {
    const { store } = await openStore();
    server.command("SET", `test:mutex:${key}`, "foreign", "PX", "200");
    const isLifetimeOver = await watchLifetime(store);
    const unlock = await store.lock(key);
    expect(isLifetimeOver()).toBe(false);
    expect(server.command("GET", `test:mutex:${key}`)).not.toBe("foreign");
    expect(Number(server.command("PTTL", `test:mutex:${key}`))).toBeGreaterThan(lockMs / 2);
    unlock();
    await store.get(key); // by now the release has been executed
    expect(server.command("EXISTS", `test:mutex:${key}`)).toBe("0");
  });

  test("replicas share the count of a client for the length of the window", async () => {
    const [one, other] = [await openStore(), await openStore()];
    const [count, countElsewhere] = [createRedisCounter(one.redis), createRedisCounter(other.redis)];
    expect((await count("client", 60_000))?.used).toBe(1);
    const second = await countElsewhere("client", 60_000);
    expect(second?.used).toBe(2);
    expect(second?.leftMs).toBeGreaterThan(50_000);
    expect((await count("another", 60_000))?.used).toBe(1);
    expect(server.command("KEYS", "*")).not.toMatch(/client|another/);
    expect((await count("short", 1))?.used).toBe(1);
    await new Promise((resolve) => setTimeout(resolve, 5));
    expect((await count("short", 1))?.used).toBe(1);
  });

  test("a count is null if Redis has a foreign value in its place or refuses writes", async () => {
    const { redis } = await openStore();
    const count = createRedisCounter(redis);
    await count("client", 60_000);
    const name = server.command("KEYS", "*");
    for (const words of [
      ["SET", name, "7"],
      ["SET", name, "-9", "PX", "1000"],
      ["SET", name, "-1", "PX", "1000"],
      ["SET", name, "7", "PX", "90000"], // longer than a window
      ["SET", name, "many"],
      ["LPUSH", name, "7"],
    ]) {
      if (words[0] === "LPUSH") server.flush();
      server.command(...words);
      expect(await count("client", 60_000)).toBeNull();
    }
    server.flush();
    server.fill(true);
    expect(await count("client", 60_000)).toBeNull();
    expect(redis.state).toBe("refusing");
    server.fill(false);
  });

  test.each([
    ["killed", (server: RedisServer) => server.kill(), (server: RedisServer) => server.restart()],
    ["stalled", (server: RedisServer) => server.stall(), (server: RedisServer) => server.resume()],
    ["full", (server: RedisServer) => server.fill(true), (server: RedisServer) => server.fill(false)],
    [
      "read-only",
      (server: RedisServer) => server.makeReadOnly(true),
      (server: RedisServer) => server.makeReadOnly(false),
    ],
  ] as const)("calls of the store never reject, and return soon, while Redis is %s", async (_, spoil, mend) => {
    const { store } = await openStore();
    await spoil(server);
    try {
      const began = performance.now();
      for (let time = 0; time < 20; time += 1) {
        const unlock = await store.lock(keyNumber(time));
        await store.set(keyNumber(time), entryAt(now));
        await store.get(keyNumber(time));
        await store.delete(keyNumber(time));
        unlock();
      }
      expect(performance.now() - began).toBeLessThan((20 * 4 * timeoutMs) / 4); // the calls do not wait for their timeouts
    } finally {
      await mend(server);
    }
  });
});
