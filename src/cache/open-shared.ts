import type { Logger } from "pino";
import { createRedis, redisLimits } from "./redis.ts";
import type { RedisAddress } from "./redis-address.ts";
import { createRedisCounter } from "./redis-counter.ts";
import { createRedisStore, lockLimits } from "./redis-store.ts";

/** Connects to Redis and logs its state; nothing waits for it. */
export function openShared(address: RedisAddress, logger: Logger) {
  const redis = createRedis({ address, ...redisLimits });
  redis.onChange((state, reason) => {
    if (state === "ready") logger.info("Redis is available: sharing the cache");
    else
      logger.warn(
        { state, reason },
        `Redis unavailable (${reason ?? "the connection was closed"}): serving from local memory`,
      );
  });
  return {
    redis,
    store: createRedisStore(redis, { ...lockLimits, now: Date.now }),
    count: createRedisCounter(redis),
    gauges: {
      isWell: () => redis.state === "ready",
      calls: () => redis.calls,
      failures: () => redis.failures,
    },
  };
}
