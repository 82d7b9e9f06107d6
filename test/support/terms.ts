import type { CacheHeaders } from "../../src/domain/terms.ts";

/** Returns cache headers with only the given ones set. */
export function termsWith(said: Partial<CacheHeaders>): CacheHeaders {
  const nothing = { isRedirected: false, cacheControl: undefined, expires: undefined, age: undefined, date: undefined };
  return { ...nothing, lastModified: undefined, validators: null, ...said };
}
