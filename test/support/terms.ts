import { type CacheHeaders, noCacheHeaders } from "../../src/domain/terms.ts";

/** Returns cache headers with only the given ones set. */
export function termsWith(said: Partial<CacheHeaders>): CacheHeaders {
  return { ...noCacheHeaders, ...said };
}
