import { OracleError } from "../domain/errors.ts";

/**
 * Circuit breaker per origin (scheme, host and port): an origin that accepts no connections is not asked for a while.
 *
 * The breaker is about the reachability of the origin, which no URL of it can influence. Only a failure to get a connection
 * counts: name resolution, refused or unreachable, connect timeout, TLS handshake. A connection that stands, TLS included, is
 * the success that closes the breaker, and the answer to the URL plays no part: a 404, a reset, or silence after the connection
 * is that URL's own failure, bounded by the slots of its host and by the rule for slow transfers (transfers.ts).
 *
 * So a link cannot open the breaker of a healthy host, and cannot decide a half-open trial against it. Only
 * those who control the host, its name server or the network path to it can keep the breaker open. The scheme is part of the
 * key because a plain connection to a TLS port, or TLS to a plain port, says nothing about the other.
 */
export interface Breaker {
  /**
   * Begins an attempt to connect; an attempt that is disposed of without a verdict changes nothing.
   *
   * @param origin scheme, host and port, as `URL.origin` writes them
   * @throws OracleError `source_unreachable` (reason `breaker`) at once while the breaker is open
   */
  begin(origin: string): Attempt;
}

export interface Attempt extends Disposable {
  /** The connection stands: closes the breaker. */
  succeeded(): void;
  /** No connection, and the origin is to blame. */
  failed(): void;
}

export interface BreakerOptions {
  /** Consecutive failures, with no success in between, that open the breaker. */
  readonly maxFailures: number;
  /** Failures further apart than this are not consecutive. */
  readonly windowMs: number;
  /** How long the breaker stays open; then it is half-open: one attempt passes, and decides. */
  readonly openMs: number;
  /** Origins in memory. Past that the ones with the oldest failure are dropped. */
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
  const origins = new Map<string, Failing>(); // only origins that failed: strangers choose the names
  const trials = new Set<string>(); // half-open origins with their one attempt under way

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
