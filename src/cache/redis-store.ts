import { randomUUID } from "node:crypto";
import type { Redis } from "ioredis";
import { Mutex } from "redis-semaphore";
import { usefulUntil } from "./entry.ts";
import { entryToText, isKey, maxEntryBytes, textToEntry } from "./entry-text.ts";
import type { BoundedRedis } from "./redis.ts";
import type { SharedStore } from "./shared.ts";

export interface RedisStoreOptions {
  /** For how long a replica may be the only one that asks for a URL, and another waits for it at most. */
  readonly lockMs: number;
  /** Between two looks whether it is done. */
  readonly pollMs: number;
  /** Epoch milliseconds. */
  readonly now: () => number;
}

const forgottenChannel = "forgotten";

/**
 * Keeps entries in Redis or Valkey, where others may write too: what is read is taken only if it can be an entry of this key.
 *
 * A replica that is cut off does not hear what it should forget, and answers it from its memory while it is fresh.
 */
export function createRedisStore(redis: BoundedRedis, { lockMs, pollMs, now }: RedisStoreOptions): SharedStore {
  const { client } = redis;
  const replica = randomUUID();
  const entryName = (key: string) => `entry:${key}`;

  /** Each command is waited for by itself: the pause between two tries is not the store's slowness. */
  const timed = <Name extends "get" | "set" | "zrem" | "eval" | "evalsha">(name: Name) =>
    ((...args: Parameters<Redis[Name]>) =>
      redis.write(() => Reflect.apply(client[name], client, args) as Promise<unknown>)) as Redis[Name];
  const timedClient = {
    get: timed("get"),
    set: timed("set"),
    zrem: timed("zrem"),
    eval: timed("eval"),
    evalsha: timed("evalsha"),
  };

  return {
    async get(key) {
      // Not GET: whoever may write there could have us read half a gigabyte.
      const text = await orNull(redis.read(() => client.getrange(entryName(key), 0, maxEntryBytes)));
      const found = text ? textToEntry(text, now()) : null;
      return found?.key === key ? found.entry : null;
    },

    async set(key, entry) {
      const lifetimeMs = Math.ceil(usefulUntil(entry) - now());
      if (lifetimeMs <= 0) return;
      await orNull(redis.write(() => client.set(entryName(key), entryToText(key, entry), "PX", lifetimeMs)));
    },

    async delete(key) {
      await orNull(redis.write(() => client.del(entryName(key))));
      await orNull(redis.publish(forgottenChannel, `${replica} ${key}`));
    },

    async lock(key) {
      const mutex = new Mutex(timedClient, key, {
        lockTimeout: lockMs,
        acquireTimeout: lockMs,
        // One try; where another has it, the pause is made after it.
        acquireAttemptsLimit: 1,
        retryInterval: pollMs,
        // Never made longer: a replica that hangs would hold up the others, and one refresh that fails would end the process.
        refreshInterval: 0,
      });
      const began = performance.now();
      // The last try is made when the lock of who is gone is over.
      for (let isOver = false; !isOver;) {
        isOver = performance.now() - began >= lockMs;
        const isAcquired = await orNull(mutex.tryAcquire());
        if (isAcquired === null) break; // the store is gone, or full, or read-only
        if (isAcquired) return () => void orNull(mutex.release());
      }
      return () => undefined;
    },

    onForgotten(listener) {
      redis.subscribe(forgottenChannel, (message) => {
        const [sender, key = ""] = message.split(" ", 2);
        if (sender !== replica && isKey(key)) listener(key);
      });
    },
  };
}

/** That a call failed is counted and told elsewhere: here it means that nothing is known. */
async function orNull<T>(answer: Promise<T>): Promise<T | null> {
  try {
    return await answer;
  } catch {
    return null;
  }
}
