import type { Cached, Description, Stage } from "../domain/description.ts";
import type { FailureCode, OracleError } from "../domain/errors.ts";

type Kept = NonNullable<Description["kept"]>;

/**
 * Returns `Cache-Control`: the freshness lifetime is the whole time that our own cache keeps the answer. `Age` has the
 * time that has passed, which caches subtract (RFC 9111 4.2); subtracting it here too would count it twice.
 *
 * @param scope `private` if a token was needed to read it
 */
export function cacheControl(scope: "public" | "private", kept: Kept): string {
  return `${scope}, max-age=${Math.max(0, Math.floor((kept.until - kept.since) / 1000))}`;
}

/** Returns the seconds since the lookup (RFC 9111 5.1). */
export function age(kept: Kept, now: number): string {
  return String(Math.max(0, Math.floor((now - kept.since) / 1000)));
}

const cacheStatuses = {
  hit: "media-oracle; hit",
  miss: "media-oracle; fwd=miss",
  collapsed: "media-oracle; fwd=miss; collapsed",
  revalidated: "media-oracle; fwd=stale; fwd-status=304",
} as const satisfies Partial<Record<Cached, string>>;

/** Returns `Cache-Status` (RFC 9211): a stale answer is a hit with a negative `ttl` in seconds. */
export function cacheStatus(cached: Cached, kept: Kept | null, now: number): string {
  if (cached !== "stale") return cacheStatuses[cached];
  const ttl = kept ? Math.min(0, Math.floor((kept.until - now) / 1000)) : 0;
  return `media-oracle; hit; ttl=${ttl}; detail=stale`;
}

/**
 * Returns `Cache-Status` of a failure. An unreachable target has no cache result: its time in the cache depends on the
 * cause, which the answer must not reveal (SSRF).
 */
export function failureCacheStatus(code: FailureCode, cached: Cached, kept: Kept | null, now: number): string {
  return code === "source_unreachable" ? "media-oracle" : cacheStatus(cached, kept, now);
}

/**
 * Returns `Retry-After` in seconds (RFC 9110 10.2.3) of an origin that answered 429 or 503: until it may be asked again, and our
 * own cache has no failure of it. Null for other failures: how long an unreachable target is cached depends on the cause.
 */
export function originRetryAfter(error: OracleError, kept: Kept | null, now: number): string | null {
  const { code, upstreamStatus, retryAfterMs = 0 } = error;
  if (code !== "source_status" || (upstreamStatus !== 429 && upstreamStatus !== 503)) return null;
  const leftMs = Math.max(retryAfterMs, kept === null ? 0 : kept.until - now);
  return leftMs > 0 ? String(Math.ceil(leftMs / 1000)) : null;
}

/** Descriptions of the cache headers, for the OpenAPI document. */
export const freshnessHeaders = {
  "Cache-Status":
    "Cache result (RFC 9211): `hit`; `fwd=miss`: a new lookup; `fwd=miss; collapsed`: joined a lookup in progress; " +
    "`fwd=stale; fwd-status=304`: revalidated at the origin; `hit; ttl=-30; detail=stale`: stale for 30 seconds, sent " +
    "while it is refreshed (stale-while-revalidate) or because the origin fails (stale-if-error)",
  "Cache-Control": "Freshness lifetime (`max-age`); `no-store` if the answer is not cached or is `partial`",
  Age: "Only of a cached answer: seconds since the lookup at the origin",
  "Server-Timing": "Duration of the stages of the lookup in milliseconds: queue, fetch, decode, hash",
} as const;

const stages: readonly Stage[] = ["queue", "fetch", "decode", "hash"];

/**
 * Returns the stages that the lookup reached (W3C Server Timing), in order, in milliseconds. An answer from the cache
 * has 0 ms of queue only.
 */
export function serverTiming({ cached, timings }: Description): string {
  if (cached === "hit" || cached === "stale") return "queue;dur=0";
  const spans = stages.flatMap((stage) => {
    const took = stage === "queue" ? (timings.queue ?? 0) : timings[stage];
    return took === undefined ? [] : [`${stage};dur=${took.toFixed(1)}`];
  });
  return spans.join(", ");
}
