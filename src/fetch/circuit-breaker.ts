import { OracleError } from "../domain/errors.ts";

/**
 * Circuit breaker per origin (scheme, host and port): fails fast for a while if the origin accepts no connections.
 *
 * The breaker is about the reachability of the origin, which no URL of it can influence. Only a failed connection
 * counts: name resolution, refused or unreachable, connect timeout, TLS handshake. An established connection, TLS
 * included, is the success that closes the breaker. The response plays no part: a 404, a reset, or
 * silence after the connection is a failure of that URL, bounded by the slots of its host and by the rules for slow
 * transfers (load/transfers.ts).
 *
 * So a link cannot open the breaker of a healthy host, and cannot decide a half-open trial against it. Only control of
 * the host, its name server or the network path can keep the breaker open. The scheme is part of the key because a
 * failed plain connection to a TLS port, or TLS to a plain port, is no evidence about the other scheme.
 */
export interface Breaker {
  /**
   * Begins an attempt to connect. Disposing it without a verdict changes nothing.
   *
   * @param origin scheme, host and port, as `URL.origin` writes them
   * @throws OracleError `source_unreachable` (reason `breaker`) at once while the breaker is open
   */
  begin(origin: string): Attempt;
}

export interface Attempt extends Disposable {
  /** The connection is established: closes the breaker. */
  succeeded(): void;
  /** Counts a failed connection that is the fault of the origin. */
  failed(): void;
}

export interface BreakerOptions {
  /** Consecutive failures, with no success in between, that open the breaker. */
  readonly maxFailures: number;
  /** Failures further apart than this are not consecutive. */
  readonly windowMs: number;
  /** How long the breaker stays open; then it is half-open: a single attempt decides whether it closes. */
  readonly openMs: number;
  /** Origins in memory. Beyond it the origins with the oldest failures are dropped. */
  readonly maxOrigins: number;
  /** Milliseconds, monotonic. */
  readonly now: () => number;
}

interface Failing {
  readonly since: number;
  readonly failures: number;
  /** Null while closed. */
  readonly openUntil: number | null;
}

export function createBreaker({ maxFailures, windowMs, openMs, maxOrigins, now }: BreakerOptions): Breaker {
  const origins = new Map<string, Failing>(); // only origins with failures: strangers choose the names
  const trials = new Set<string>(); // half-open origins with their single attempt in progress

  function keep(origin: string, failing: Failing) {
    origins.delete(origin);
    for (const oldest of origins.keys()) {
      if (origins.size < maxOrigins) break;
      origins.delete(oldest);
    }
    origins.set(origin, failing);
  }

  function countFailure(origin: string, isTrial: boolean) {
    const time = now();
    const known = origins.get(origin);
    const isOpen = (known?.openUntil ?? null) !== null;
    if (isOpen && !isTrial) return; // begun before the breaker opened
    const row = known && (isOpen || time - known.since <= windowMs) ? known : { since: time, failures: 0 };
    const failures = row.failures + 1;
    keep(origin, { since: row.since, failures, openUntil: failures >= maxFailures ? time + openMs : null });
  }

  return {
    begin(origin) {
      const openUntil = origins.get(origin)?.openUntil ?? null;
      const isTrial = openUntil !== null;
      if (isTrial && (now() < openUntil || trials.has(origin))) {
        throw new OracleError("source_unreachable", "the circuit breaker of the origin is open", { reason: "breaker" });
      }
      if (isTrial) trials.add(origin);
      let over = false;
      const end = (verdict: () => void) => {
        if (over) return;
        over = true;
        if (isTrial) trials.delete(origin);
        verdict();
      };
      return {
        succeeded: () => end(() => origins.delete(origin)),
        failed: () => end(() => countFailure(origin, isTrial)),
        [Symbol.dispose]: () => end(() => undefined),
      };
    },
  };
}
