import { hash } from "node:crypto";
import type { BoundedRedis } from "./redis.ts";

/** A count within a window that the first call has opened, and the rest of the window in milliseconds. */
export interface SharedCount {
  readonly used: number;
  readonly leftMs: number;
}

/** Adds one to a count that all replicas share, for the rate limit; null if Redis is unavailable. */
export type RedisCounter = (name: string, windowMs: number) => Promise<SharedCount | null>;

export function createRedisCounter(redis: BoundedRedis): RedisCounter {
  return async (name, windowMs) => {
    const key = `count:${hash("sha256", name, "base64url")}`;
    const counting = () => redis.client.multi().set(key, 0, "PX", windowMs, "NX").incr(key).pttl(key).exec();
    const replies = await redis.write(counting).catch(() => null);
    const [, [, used] = [], [, leftMs] = []] = replies ?? [];
    // Another client may have written any number there, without an expiry.
    const isOurs = isWithin(used, 1, Number.MAX_SAFE_INTEGER) && isWithin(leftMs, 0, windowMs);
    return isOurs ? { used, leftMs } : null;
  };
}

function isWithin(value: unknown, least: number, most: number): value is number {
  return Number.isSafeInteger(value) && (value as number) >= least && (value as number) <= most;
}
