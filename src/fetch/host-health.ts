import { OracleError } from "../domain/errors.ts";

/**
 * Host health, per origin (scheme, host and port): a circuit breaker, and backoff by Retry-After.
 *
 * The circuit breaker fails fast for a while if the origin accepts no connections. It is about the reachability of the
 * origin, which no URL of it can influence. Only a failed connection counts: name resolution, refused or unreachable,
 * connect timeout, TLS handshake. An established connection, TLS included, is the success that closes the breaker. The
 * response plays no part: a 404, a reset, or silence after the connection is a failure of that URL, bounded by the slots
 * of its host and by the rules for slow transfers (load/transfers.ts).
 *
 * So a link cannot open the breaker of a healthy host, and cannot decide a half-open trial against it. Only control of
 * the host, its name server or the network path can keep the breaker open. The scheme is part of the key because a
 * failed plain connection to a TLS port, or TLS to a plain port, is no evidence about the other scheme.
 *
 * Backoff: after a 429 or 503 for one URL, no URL of that origin is requested for the time of its Retry-After. Another
 * service may listen on another port.
 */
export interface HostHealth {
  /**
   * Begins an attempt to connect. Disposing it without a verdict changes nothing.
   *
   * @param origin scheme, host and port, as `URL.origin` writes them
   * @throws OracleError at once, without a connection: `source_status` with the status that began the backoff, while it
   * lasts; `source_unreachable` (reason `breaker`) while the circuit breaker is open
   */
  beginConnection(origin: string): Attempt;
  /**
   * Begins the backoff that an origin asks for.
   *
   * @param status of the response, 429 or 503
   * @param retryAfter the header (RFC 9110 10.2.3): seconds or a date; null or malformed means the default
   * @returns how long it lasts, in milliseconds
   */
  backOff(origin: string, status: number, retryAfter: string | null): number;
}

export interface Attempt extends Disposable {
  /** The connection is established: closes the breaker. */
  succeeded(): void;
  /** Counts a failed connection that is the fault of the origin. */
  failed(): void;
}

export interface HostHealthOptions {
  /** Consecutive failures, with no success in between, that open the breaker. */
  readonly maxFailures: number;
  /** Failures further apart than this are not consecutive. */
  readonly windowMs: number;
  /** How long the breaker stays open; then it is half-open: a single attempt decides whether it closes. */
  readonly openMs: number;
  /** Backoff without a valid Retry-After. */
  readonly defaultBackoffMs: number;
  /** Upper bound of Retry-After. */
  readonly maxBackoffMs: number;
  /** Origins in memory. Beyond it the origins with the oldest failures or backoffs are dropped. */
  readonly maxOrigins: number;
  /** Milliseconds, monotonic. */
  readonly now: () => number;
  /** Epoch milliseconds, for a Retry-After with a date. */
  readonly epochNow: () => number;
}

export const hostHealthLimits = {
  // Ten in a row are more than bad luck. Half a minute is what a restart takes.
  maxFailures: 10,
  windowMs: 60_000,
  openMs: 30_000,
  // An hour: anyone who controls one URL of a host can pause the whole host for that time.
  maxBackoffMs: 3_600_000,
  // Names of 253 bytes: some 2 MB.
  maxOrigins: 4096,
};

const minBackoffMs = 1000; // for 0, or a date in the past

interface Failures {
  readonly since: number;
  readonly count: number;
  /** Null while the breaker is closed. */
  readonly openUntil: number | null;
}

interface Backoff {
  readonly status: number;
  readonly until: number;
}

interface Health {
  readonly failures: Failures | null;
  readonly backoff: Backoff | null;
}

const healthy: Health = { failures: null, backoff: null };

export function createHostHealth(options: HostHealthOptions): HostHealth {
  const { maxFailures, windowMs, openMs, defaultBackoffMs, maxBackoffMs, maxOrigins, now, epochNow } = options;
  const origins = new Map<string, Health>(); // only unhealthy ones: strangers choose the names
  const trials = new Set<string>(); // half-open origins with their single attempt in progress

  const healthOf = (origin: string): Health => origins.get(origin) ?? healthy;

  function update(origin: string, change: Partial<Health>): void {
    const health = { ...healthOf(origin), ...change };
    origins.delete(origin);
    if (health.failures === null && health.backoff === null) return;
    for (const oldest of origins.keys()) {
      if (origins.size < maxOrigins) break;
      origins.delete(oldest);
    }
    origins.set(origin, health);
  }

  function countFailure(origin: string, isTrial: boolean): void {
    const time = now();
    const { failures } = healthOf(origin);
    const isOpen = (failures?.openUntil ?? null) !== null;
    if (isOpen && !isTrial) return; // begun before the breaker opened
    const row = failures && (isOpen || time - failures.since <= windowMs) ? failures : { since: time, count: 0 };
    const count = row.count + 1;
    const openUntil = count >= maxFailures ? time + openMs : null;
    update(origin, { failures: { since: row.since, count, openUntil } });
  }

  function backoffMsOf(retryAfter: string | null): number {
    if (retryAfter === null) return defaultBackoffMs;
    const askedMs = /^\d+$/.test(retryAfter) ? Number(retryAfter) * 1000 : Date.parse(retryAfter) - epochNow();
    return Number.isNaN(askedMs) ? defaultBackoffMs : Math.min(maxBackoffMs, Math.max(minBackoffMs, askedMs));
  }

  return {
    beginConnection(origin) {
      const { failures, backoff } = healthOf(origin);
      const retryAfterMs = backoff ? backoff.until - now() : 0;
      if (backoff && retryAfterMs > 0) {
        const details = { upstreamStatus: backoff.status, retryAfterMs };
        throw new OracleError("source_status", "the origin has asked for a pause (Retry-After)", details);
      }
      const openUntil = failures?.openUntil ?? null;
      const isTrial = openUntil !== null;
      if (isTrial && (now() < openUntil || trials.has(origin))) {
        throw new OracleError("source_unreachable", "the circuit breaker of the origin is open", { reason: "breaker" });
      }
      if (backoff) update(origin, { backoff: null }); // it is over
      if (isTrial) trials.add(origin);
      let over = false;
      const end = (verdict: () => void) => {
        if (over) return;
        over = true;
        if (isTrial) trials.delete(origin);
        verdict();
      };
      return {
        succeeded: () => end(() => update(origin, { failures: null })),
        failed: () => end(() => countFailure(origin, isTrial)),
        [Symbol.dispose]: () => end(() => undefined),
      };
    },
    backOff(origin, status, retryAfter) {
      const backoffMs = backoffMsOf(retryAfter);
      update(origin, { backoff: { status, until: now() + backoffMs } });
      return backoffMs;
    },
  };
}
