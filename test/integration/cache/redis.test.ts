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
// What a busy machine may add to a timer.
const slackMs = 250;

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
function reached(redis: BoundedRedis, state: RedisState): Promise<void> {
  if (redis.state === state) return Promise.resolve();
  return new Promise((resolve) => redis.onChange((now) => now === state && resolve()));
}

/** The next change, and why. */
function changeOf(redis: BoundedRedis): Promise<[RedisState, string | null]> {
  return new Promise((resolve) => redis.onChange((...change) => resolve(change)));
}

async function startPair(options: RedisServerOptions = {}): Promise<{ server: RedisServer; redis: BoundedRedis }> {
  const server = await startRedis(onTestFinished, options);
  const redis = connectTo(server.url);
  await reached(redis, "ready");
  return { server, redis };
}

const set = (redis: BoundedRedis, value: string) => redis.write(() => redis.client.set("key", value));
const get = (redis: BoundedRedis) => redis.read(() => redis.client.get("key"));

/** How many milliseconds it took to end, however it did. */
async function spanOf(call: Promise<unknown>): Promise<number> {
  const began = performance.now();
  await call.catch(() => undefined);
  return performance.now() - began;
}

describe.skipIf(requires("redis-server", hasRedis))("a Redis", () => {
  test("that is well is written and read, under the prefix", async () => {
    const { server, redis } = await startPair();
    await set(redis, "value");
    expect(await get(redis)).toBe("value");
    expect(server.command("KEYS", "*")).toBe("test:key");
    expect([redis.calls, redis.failures]).toEqual([2, 0]);
  });

  test("that was never there fails each call at once", async () => {
    const redis = connectTo("redis://127.0.0.1:1");
    expect(await spanOf(get(redis))).toBeLessThan(slackMs);
    await expect(get(redis)).rejects.toThrow();
    expect(redis.state).toBe("away");
  });

  test("that is killed fails each call at once, and is used again when it is back", async () => {
    const { server, redis } = await startPair();
    const away = reached(redis, "away");
    await server.kill();
    await away;
    for (let time = 0; time < 10; time += 1) expect(await spanOf(set(redis, "lost"))).toBeLessThan(slackMs);
    await server.restart();
    await reached(redis, "ready");
    await set(redis, "kept");
    expect(await get(redis)).toBe("kept");
  });

  test("that stalls costs a call its time limit once, then nothing, and is used again when it goes on", async () => {
    const { server, redis } = await startPair();
    server.stall();
    const first = await Promise.all([spanOf(get(redis)), spanOf(set(redis, "a")), spanOf(get(redis))]);
    for (const span of first) expect(span).toBeLessThan(timeoutMs + slackMs);
    await reached(redis, "away");
    const then = performance.now();
    for (let time = 0; time < 100; time += 1) await spanOf(get(redis));
    expect(performance.now() - then).toBeLessThan(timeoutMs + slackMs); // a hundred: each at once
    server.resume();
    await reached(redis, "ready");
    await set(redis, "kept");
  });

  test.each([
    ["full", "OOM", (server: RedisServer, isSo: boolean) => server.fill(isSo)],
    ["read-only", "READONLY", (server: RedisServer, isSo: boolean) => server.makeReadOnly(isSo)],
  ])(
    "that is %s is read all the same, and it shows until it is over, also where nobody asks",
    async (_, code, make) => {
      const { server, redis } = await startPair();
      await set(redis, "before");
      make(server, true);
      const change = changeOf(redis);
      await expect(set(redis, "lost")).rejects.toThrow();
      expect(await change).toEqual(["refusing", code]);
      expect(await get(redis)).toBe("before");
      make(server, false);
      await reached(redis, "ready");
      await set(redis, "after");
    },
  );

  test("that answers while this process is too busy to look is not taken for one that stalls", async () => {
    const { redis } = await startPair();
    await set(redis, "value");
    const asked = get(redis);
    const end = performance.now() + 2 * timeoutMs;
    while (performance.now() < end);
    expect(await asked).toBe("value");
    expect(redis.state).toBe("ready");
  });

  test("that is flushed is empty, and well", async () => {
    const { server, redis } = await startPair();
    await set(redis, "before");
    server.flush();
    expect(await get(redis)).toBeNull();
    expect(redis.state).toBe("ready");
  });

  test("with a value of another kind under a key is well", async () => {
    const { server, redis } = await startPair();
    server.command("RPUSH", "test:key", "a");
    await expect(get(redis)).rejects.toThrow("WRONGTYPE");
    expect(redis.state).toBe("ready");
  });

  test("tells what others publish, also after it was away", async () => {
    const { server, redis } = await startPair();
    const messages: string[] = [];
    let heard: () => void = () => undefined;
    redis.subscribe("news", (message) => {
      messages.push(message);
      heard();
    });
    const publish = async (message: string) => {
      const next = new Promise<void>((resolve) => (heard = resolve));
      // Nobody is told when the subscription stands: publishing tells how many have heard.
      while (server.command("PUBLISH", "test:news", message) === "0") await new Promise(setImmediate);
      await next;
    };
    await publish("first");
    await server.kill();
    await server.restart();
    await reached(redis, "ready");
    await publish("second");
    expect(messages).toEqual(["first", "second"]);
    expect(await get(redis)).toBeNull(); // the same connection still answers
  });

  test("with a password is reached with it, and not with another", async () => {
    const { server, redis } = await startPair({ password: "pass:w@rd/%" });
    await set(redis, "value");
    const stranger = connectTo(`redis://:other@127.0.0.1:${server.port}`);
    await expect(get(stranger)).rejects.toThrow();
    expect(await changeOf(stranger)).toEqual(["away", "WRONGPASS"]);
  });

  test("with a user of the rights that are documented, and in another database, serves for all that is shared", async () => {
    const { server } = await startPair();
    const rights = [
      "~test:*",
      "&test:*",
      "+@read",
      "+@write",
      "+@connection",
      "+@scripting",
      "+@pubsub",
      "+@transaction",
    ];
    server.command("ACL", "SETUSER", "oracle", "on", ">secret", ...rights);
    const redis = connectTo(`redis://oracle:secret@127.0.0.1:${server.port}/3`);
    await reached(redis, "ready");
    const now = Date.now();
    const store = createRedisStore(redis, { lockMs: 1000, pollMs: 20, now: () => now });
    store.onForgotten(() => undefined);
    const unlock = await store.lock(keyNumber(1));
    await store.set(keyNumber(1), entryAt(now));
    unlock();
    expect(await store.get(keyNumber(1))).toEqual(entryAt(now));
    await store.delete(keyNumber(1));
    expect((await createRedisCounter(redis)("client", 1000))?.asked).toBe(1);
    expect([redis.failures, redis.state]).toEqual([0, "ready"]);
    expect(server.command("-n", "3", "KEYS", "*")).toMatch(/^test:count:/);
  });
});

describe.skipIf(requires("redis-server", hasRedis))("over TLS", () => {
  const certificates = makeCertificates();

  test.each(["selfSigned", "wrongName", "expired", "good"] as const)(
    "a certificate of nobody that is trusted (%s) is refused, whatever the environment says",
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
      expect(await changeOf(redis)).toEqual(["away", reasons[which]]);
    },
  );
});
