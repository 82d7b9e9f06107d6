import { hash } from "node:crypto";
import type { BoundedRedis } from "./redis.ts";

/** How often something was counted in a span that began with the first time, and what is left of the span in milliseconds. */
export interface SharedCount {
  readonly asked: number;
  readonly leftMs: number;
}

/** Counts what all replicas see, once a call; null where that is not possible now. */
export type RedisCounter = (name: string, windowMs: number) => Promise<SharedCount | null>;

export function createRedisCounter(redis: BoundedRedis): RedisCounter {
  return async (name, windowMs) => {
    const key = `count:${hash("sha256", name, "base64url")}`;
    const counting = () => redis.client.multi().set(key, 0, "PX", windowMs, "NX").incr(key).pttl(key).exec();
    const replies = await redis.write(counting).catch(() => null);
    const [, [, asked] = [], [, leftMs] = []] = replies ?? [];
    // A number that somebody else put there may be of any size, and last for ever.
    const isOurs = isWithin(asked, 1, Number.MAX_SAFE_INTEGER) && isWithin(leftMs, 0, windowMs);
    return isOurs ? { asked, leftMs } : null;
  };
}

function isWithin(value: unknown, least: number, most: number): value is number {
  return Number.isSafeInteger(value) && (value as number) >= least && (value as number) <= most;
}
