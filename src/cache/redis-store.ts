import { randomUUID } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { usefulUntil } from "./entry.ts";
import { entryToText, isKey, maxEntryBytes, textToEntry } from "./entry-text.ts";
import type { BoundedRedis } from "./redis.ts";
import type { SharedStore } from "./shared.ts";

export interface RedisStoreOptions {
  /** Lifetime of a lock, and the longest wait for one: after it, another replica asks the origin too. */
  readonly lockMs: number;
  /** Pause between two attempts to take a lock. */
  readonly pollMs: number;
  /** Epoch milliseconds. */
  readonly now: () => number;
}

/** Nearly all lookups end within 5 s; a slower origin may be asked by each replica. 50 ms are short compared with a lookup. */
export const lockLimits = { lockMs: 5000, pollMs: 50 };

const invalidationChannel = "forgotten";

// The reply of PTTL for a key that does not exist.
const expiredMeanwhile = -2;

// Deletes the lock only if it still holds our token: after its expiry another replica may have it. `pcall`, because GET fails
// if a foreign program put a value of another kind there.
const releaseScript = 'if redis.pcall("GET", KEYS[1]) == ARGV[1] then return redis.call("DEL", KEYS[1]) end return 0';

/**
 * The store that replicas share, in Redis or Valkey. Its values are untrusted, since other programs may write there: a value
 * is used only if it is a valid entry of the requested key.
 *
 * A replica that is disconnected from Redis misses deletions: it serves a deleted entry from its memory while it is fresh.
 */
export function createRedisStore(redis: BoundedRedis, { lockMs, pollMs, now }: RedisStoreOptions): SharedStore {
  const { client } = redis;
  const replica = randomUUID();
  const entryName = (key: string) => `entry:${key}`;

  /**
   * Tries once to take the lock.
   *
   * @returns null once it is taken, else the milliseconds until the lock of its holder expires (-1: never)
   */
  async function tryLock(name: string, token: string): Promise<number | null> {
    const isTaken = await redis.write(() => client.set(name, token, "PX", lockMs, "NX"));
    if (isTaken) return null;
    const leftMs = await redis.read(() => client.pttl(name));
    return leftMs === expiredMeanwhile ? 0 : leftMs;
  }

  return {
    async get(key) {
      // Not GET: an attacker with write access could make us read half a gigabyte.
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
      await orNull(redis.publish(invalidationChannel, `${replica} ${key}`));
    },

    async lock(key) {
      const name = `mutex:${key}`;
      const token = randomUUID();
      const began = performance.now();
      // The last attempt is after `lockMs`, when the lock of a crashed holder has expired.
      for (let isLast = false; !isLast;) {
        isLast = performance.now() - began >= lockMs;
        const attempt = await orNull(tryLock(name, token).then((leftMs) => ({ leftMs })));
        if (!attempt) break; // Redis is unavailable, or full, or read-only
        const { leftMs } = attempt;
        if (leftMs === null) return () => void orNull(redis.write(() => client.eval(releaseScript, 1, name, token)));
        // No replica sets a lock without expiry or with a longer one: do not wait for it.
        if (leftMs < 0 || leftMs > lockMs) break;
        await sleep(Math.min(leftMs, pollMs));
      }
      return () => undefined;
    },

    onInvalidated(listener) {
      redis.subscribe(invalidationChannel, (message) => {
        const [sender, key = ""] = message.split(" ", 2);
        if (sender !== replica && isKey(key)) listener(key);
      });
    },
  };
}

/** Returns null if a call to Redis fails: the Redis client counts and logs the failure, and the caller works without it. */
async function orNull<T>(answer: Promise<T>): Promise<T | null> {
  try {
    return await answer;
  } catch {
    return null;
  }
}
