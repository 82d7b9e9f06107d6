import { describe, expect, onTestFinished, test } from "vitest";
import { type BoundedRedis, createRedis, type RedisState } from "../../../src/cache/redis.ts";
import { parseRedisAddress } from "../../../src/cache/redis-address.ts";
import { createRedisCounter } from "../../../src/cache/redis-counter.ts";
import { createRedisStore } from "../../../src/cache/redis-store.ts";
import { entryAt, keyNumber } from "../../support/entries.ts";
import { makeCertificates } from "../../support/origin.ts";
import { hasRedis, type RedisServer, type RedisServerOptions, startRedis } from "../../support/redis.ts";
import { requires } from "../../support/require.ts";

const timeoutMs = 200;

function connectTo(url: string): BoundedRedis {
  const redis = createRedis({
    address: parseRedisAddress(url),
    timeoutMs,
    connectTimeoutMs: 1000,
    retryMs: 200,
    keyPrefix: "test:",
  });
  onTestFinished(() => redis.close());
  return redis;
}

/** Resolves when the client is in the state. */
function waitForState(redis: BoundedRedis, state: RedisState): Promise<void> {
  if (redis.state === state) return Promise.resolve();
  return new Promise((resolve) => redis.onChange((now) => now === state && resolve()));
}

/** Resolves with the next state and its reason. */
function nextChange(redis: BoundedRedis): Promise<[RedisState, string | null]> {
  return new Promise((resolve) => redis.onChange((...change) => resolve(change)));
}

/** Records all changes from now on. */
function recordChanges(redis: BoundedRedis): [RedisState, string | null][] {
  const changes: [RedisState, string | null][] = [];
  redis.onChange((...change) => changes.push(change));
  return changes;
}

/** Resolves when so many connections or attempts have ended. */
async function waitForCloses(redis: BoundedRedis, count: number): Promise<void> {
  for (let ended = 0; ended < count; ended += 1) {
    await new Promise((resolve) => redis.client.once("close", resolve)); // node's `once` would reject on an error before
  }
}

async function startPair(options: RedisServerOptions = {}): Promise<{ server: RedisServer; redis: BoundedRedis }> {
  const server = await startRedis(onTestFinished, options);
  const redis = connectTo(server.url);
  await waitForState(redis, "ready");
  return { server, redis };
}

const set = (redis: BoundedRedis, value: string) => redis.write(() => redis.client.set("key", value));
const get = (redis: BoundedRedis) => redis.read(() => redis.client.get("key"));

/** Returns the milliseconds until a call has settled. */
async function timeOf(call: Promise<unknown>): Promise<number> {
  const startedAt = performance.now();
  await call.catch(() => undefined);
  return performance.now() - startedAt;
}

// Calls that fail at once take much less than half of their timeout each, on average.
const callCount = 100;

/** Returns the milliseconds of so many calls, one after another. */
async function timeOfCalls(call: () => Promise<unknown>): Promise<number> {
  const startedAt = performance.now();
  for (let count = 0; count < callCount; count += 1) await timeOf(call());
  return performance.now() - startedAt;
}

describe.skipIf(requires("redis-server", hasRedis))("the Redis client", () => {
  test("a healthy Redis is written and read under the key prefix", async () => {
    const { server, redis } = await startPair();
    await set(redis, "value");
    expect(await get(redis)).toBe("value");
    expect(server.command("KEYS", "*")).toBe("test:key");
    expect([redis.calls, redis.failures]).toEqual([2, 0]);
  });

  test("calls fail at once if Redis was never available", async () => {
    const redis = connectTo("redis://127.0.0.1:1");
    expect(await timeOfCalls(() => get(redis))).toBeLessThan(callCount * (timeoutMs / 2));
    await expect(get(redis)).rejects.toThrow();
    expect(redis.state).toBe("away");
  });

  test("calls fail at once after Redis was killed, and work again after its restart", async () => {
    const { server, redis } = await startPair();
    const away = waitForState(redis, "away");
    await server.kill();
    await away;
    expect(await timeOfCalls(() => set(redis, "lost"))).toBeLessThan(callCount * (timeoutMs / 2));
    await server.restart();
    await waitForState(redis, "ready");
    await set(redis, "kept");
    expect(await get(redis)).toBe("kept");
  });

  test("a stalled Redis costs one timeout, then calls fail at once until it responds again", async () => {
    const { server, redis } = await startPair();
    server.stall();
    const first = await Promise.all([timeOf(get(redis)), timeOf(set(redis, "a")), timeOf(get(redis))]);
    for (const elapsedMs of first) expect(elapsedMs).toBeLessThan(20 * timeoutMs); // for busy machines
    await waitForState(redis, "away");
    expect(await timeOfCalls(() => get(redis))).toBeLessThan(callCount * (timeoutMs / 2));
    server.resume();
    await waitForState(redis, "ready");
    await set(redis, "kept");
  });

  test.each([
    ["full", "OOM", (server: RedisServer, isOn: boolean) => server.fill(isOn)],
    ["read-only", "READONLY", (server: RedisServer, isOn: boolean) => server.makeReadOnly(isOn)],
  ])("a %s Redis can be read, has the state refusing, and recovers without traffic", async (_, code, make) => {
    const { server, redis } = await startPair();
    await set(redis, "before");
    make(server, true);
    const change = nextChange(redis);
    await expect(set(redis, "lost")).rejects.toThrow();
    expect(await change).toEqual(["refusing", code]);
    expect(await get(redis)).toBe("before");
    make(server, false);
    await waitForState(redis, "ready");
    await set(redis, "after");
  });

  test("each change of the reason for an outage is reported once, not once per attempt to connect", async () => {
    const { server, redis } = await startPair({ password: "first" });
    const changes = recordChanges(redis);
    server.command("CONFIG", "SET", "requirepass", "second"); // connections that are open stay authenticated
    server.stall();
    await expect(get(redis)).rejects.toThrow();
    await waitForCloses(redis, 3);
    expect(changes).toEqual([["away", "ETIMEDOUT"]]);
    server.resume();
    await expect.poll(() => changes.length).toBe(2);
    await waitForCloses(redis, 3);
    await server.kill();
    await expect.poll(() => changes.length).toBe(3);
    await waitForCloses(redis, 3);
    expect(changes).toEqual([
      ["away", "ETIMEDOUT"],
      ["away", "WRONGPASS"],
      ["away", "ECONNREFUSED"],
    ]);
  });

  test("an outage does not have the reason of an earlier one", async () => {
    const { server, redis } = await startPair();
    server.fill(true);
    await expect(set(redis, "lost")).rejects.toThrow();
    server.fill(false);
    await waitForState(redis, "ready");
    const change = nextChange(redis);
    await server.kill();
    expect(await change).toEqual(["away", null]);
  });

  test("a full Redis has one reason, also for a write within a transaction", async () => {
    const { server, redis } = await startPair();
    const count = createRedisCounter(redis);
    const changes = recordChanges(redis);
    server.fill(true);
    for (let time = 0; time < 2; time += 1) {
      expect(await count("client", 1000)).toBeNull();
      await expect(set(redis, "lost")).rejects.toThrow();
    }
    expect(changes).toEqual([["refusing", "OOM"]]);
  });

  test("a call before the end of the first handshake fails, and Redis is not reported as unavailable", async () => {
    const server = await startRedis(onTestFinished);
    const redis = connectTo(server.url);
    const changes = recordChanges(redis);
    await expect(set(redis, "too early")).rejects.toThrow();
    await waitForState(redis, "ready");
    expect(changes).toEqual([["ready", null]]);
  });

  test("a blocked event loop is not mistaken for a stalled Redis", async () => {
    const { redis } = await startPair();
    await set(redis, "value");
    const reply = get(redis);
    const end = performance.now() + 2 * timeoutMs;
    while (performance.now() < end);
    expect(await reply).toBe("value");
    expect(redis.state).toBe("ready");
  });

  test("a closed client has no connection, and sends no more probes", async () => {
    const { server, redis } = await startPair();
    server.fill(true);
    await expect(set(redis, "lost")).rejects.toThrow();
    expect(redis.state).toBe("refusing");
    redis.close();
    const { calls } = redis;
    await expect.poll(() => server.command("CLIENT", "LIST").split("\n")).toHaveLength(1); // redis-cli
    await new Promise((resolve) => setTimeout(resolve, 500)); // two probes would be due
    expect(redis.calls).toBe(calls);
  });

  test("a flushed Redis is empty and ready", async () => {
    const { server, redis } = await startPair();
    await set(redis, "before");
    server.flush();
    expect(await get(redis)).toBeNull();
    expect(redis.state).toBe("ready");
  });

  test("a value of another type fails the call, and Redis stays ready", async () => {
    const { server, redis } = await startPair();
    server.command("RPUSH", "test:key", "a");
    await expect(get(redis)).rejects.toThrow("WRONGTYPE");
    expect(redis.state).toBe("ready");
  });

  test("a subscription receives messages, also after a restart of Redis", async () => {
    const { server, redis } = await startPair();
    const messages: string[] = [];
    let onMessage: () => void = () => undefined;
    redis.subscribe("news", (message) => {
      messages.push(message);
      onMessage();
    });
    const publish = async (message: string) => {
      const next = new Promise<void>((resolve) => (onMessage = resolve));
      // There is no event for an active subscription, but PUBLISH returns the number of receivers.
      while (server.command("PUBLISH", "test:news", message) === "0") await new Promise(setImmediate);
      await next;
    };
    await publish("first");
    await server.kill();
    await server.restart();
    await waitForState(redis, "ready");
    await publish("second");
    expect(messages).toEqual(["first", "second"]);
    expect(await get(redis)).toBeNull(); // the same connection still serves commands
  });

  test("a Redis with a password accepts only that password", async () => {
    const { server, redis } = await startPair({ password: "pass:w@rd/%" });
    await set(redis, "value");
    const other = connectTo(`redis://:other@127.0.0.1:${server.port}`);
    await expect(get(other)).rejects.toThrow();
    expect(await nextChange(other)).toEqual(["away", "WRONGPASS"]);
  });

  test("a Redis user with the documented permissions, in another database, can use the store and the counter", async () => {
    const { server } = await startPair();
    const permissions = [
      "~test:*",
      "&test:*",
      "+@read",
      "+@write",
      "+@connection",
      "+@scripting",
      "+@pubsub",
      "+@transaction",
    ];
    server.command("ACL", "SETUSER", "oracle", "on", ">secret", ...permissions);
    const redis = connectTo(`redis://oracle:secret@127.0.0.1:${server.port}/3`);
    await waitForState(redis, "ready");
    const now = Date.now();
    const store = createRedisStore(redis, { lockMs: 1000, pollMs: 20, now: () => now });
    store.onInvalidated(() => undefined);
    const unlock = await store.lock(keyNumber(1));
    await store.set(keyNumber(1), entryAt(now));
    unlock();
    expect(await store.get(keyNumber(1))).toEqual(entryAt(now));
    await store.delete(keyNumber(1));
    expect((await createRedisCounter(redis)("client", 1000))?.used).toBe(1);
    expect([redis.failures, redis.state]).toEqual([0, "ready"]);
    expect(server.command("-n", "3", "KEYS", "*")).toMatch(/^test:count:/);
  });
});

describe.skipIf(requires("redis-server", hasRedis))("the Redis client over TLS", () => {
  const certificates = makeCertificates();

  test.each(["selfSigned", "wrongName", "expired", "good"] as const)(
    "an untrusted certificate (%s) is rejected in spite of NODE_TLS_REJECT_UNAUTHORIZED",
    async (which) => {
      const server = await startRedis(onTestFinished, { tls: certificates[which] });
      process.env.NODE_TLS_REJECT_UNAUTHORIZED = "0";
      onTestFinished(() => void delete process.env.NODE_TLS_REJECT_UNAUTHORIZED);
      const redis = connectTo(server.url);
      const reasons = {
        selfSigned: "DEPTH_ZERO_SELF_SIGNED_CERT",
        expired: "CERT_HAS_EXPIRED",
        wrongName: "UNABLE_TO_VERIFY_LEAF_SIGNATURE",
        good: "UNABLE_TO_VERIFY_LEAF_SIGNATURE",
      };
      expect(await nextChange(redis)).toEqual(["away", reasons[which]]);
    },
  );
});
