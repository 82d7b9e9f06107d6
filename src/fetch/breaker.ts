import { OracleError } from "../domain/errors.ts";

/** Leaves hosts alone that do not answer. A host is a name and a port. */
export interface Breaker {
  /**
   * Begins an attempt at a host; disposed of without a verdict, it tells nothing of the host.
   *
   * @throws OracleError `source_unreachable` at once, where the host is left alone at the moment
   */
  begin(host: string): Attempt;
}

export interface Attempt extends Disposable {
  /** The host gave the head of a response, whatever it says. */
  answered(): void;
  /** It did not, and that was its own fault. */
  failed(): void;
}

export interface BreakerOptions {
  /** In a row, none of them answered in between. */
  readonly maxFailures: number;
  /** In which those failures must lie. */
  readonly windowMs: number;
  /** How long a host is left alone; then one attempt is let through, and decides. */
  readonly openMs: number;
  /** Hosts that are kept in mind. Past that the ones that failed least lately are forgotten. */
  readonly maxHosts: number;
  /** Milliseconds, never set back. */
  readonly now: () => number;
}

interface Failing {
  readonly since: number;
  readonly failures: number;
  /** Null as long as the host is tried like any other. */
  readonly openUntil: number | null;
}

/**
 * Any head closes the breaker again, a 404 or 500 too: links to what a healthy host does not have are no way to shut it off.
 */
export function createBreaker({ maxFailures, windowMs, openMs, maxHosts, now }: BreakerOptions): Breaker {
  const hosts = new Map<string, Failing>(); // only hosts that failed: strangers choose the names
  const trials = new Set<string>(); // hosts with their one attempt under way

  function keep(host: string, failing: Failing) {
    hosts.delete(host);
    for (const oldest of hosts.keys()) {
      if (hosts.size < maxHosts) break;
      hosts.delete(oldest);
    }
    hosts.set(host, failing);
  }

  function countFailure(host: string, isTrial: boolean) {
    const time = now();
    const known = hosts.get(host);
    const isOpen = (known?.openUntil ?? null) !== null;
    if (isOpen && !isTrial) return; // begun before it was left alone
    const row = known && (isOpen || time - known.since <= windowMs) ? known : { since: time, failures: 0 };
    const failures = row.failures + 1;
    keep(host, { since: row.since, failures, openUntil: failures >= maxFailures ? time + openMs : null });
  }

  return {
    begin(host) {
      const openUntil = hosts.get(host)?.openUntil ?? null;
      const isTrial = openUntil !== null;
      if (isTrial && (now() < openUntil || trials.has(host))) {
        throw new OracleError("source_unreachable", "the host has not answered lately", { reason: "breaker" });
      }
      if (isTrial) trials.add(host);
      let over = false;
      const end = (verdict: () => void) => {
        if (over) return;
        over = true;
        if (isTrial) trials.delete(host);
        verdict();
      };
      return {
        answered: () => end(() => hosts.delete(host)),
        failed: () => end(() => countFailure(host, isTrial)),
        [Symbol.dispose]: () => end(() => undefined),
      };
    },
  };
}
