import type { CacheHeaders } from "../../src/domain/terms.ts";

/** What an origin said, and nothing else. */
export function termsWith(said: Partial<CacheHeaders>): CacheHeaders {
  const nothing = { isRedirected: false, cacheControl: undefined, expires: undefined, age: undefined, date: undefined };
  return { ...nothing, lastModified: undefined, validators: null, ...said };
}
