import type { Entry, LastFailure, Success } from "./entry.ts";
import {
  type LookupResult,
  type FreshnessLimits,
  hasNoStore,
  freshnessOf,
  isTimeout,
  hasExplicitFreshness,
} from "./freshness.ts";

export interface CachePolicyOptions {
  readonly limits: FreshnessLimits;
  /** Epoch milliseconds. */
  readonly now: () => number;
  /** From 0 to 1, like `Math.random`. */
  readonly random: () => number;
}

/** Returns the new entry of a target after a lookup; null if the result is not to be stored. */
export type CachePolicy = (result: LookupResult, previous: Entry | null) => Entry | null;

// TTL jitter, as a share of the TTL: entries of the same second do not expire in the same second.
const jitterShare = 0.1;

/** Decides from the freshness table how long a result is cached, and adds jitter. */
export function createCachePolicy({ limits, now, random }: CachePolicyOptions): CachePolicy {
  return (result, previous) => {
    const time = now();
    const { success = null, setback = null } = previous ?? {};
    const timeouts = setback?.timeouts ?? 0;
    if (result.isConfirmed && success && !hasExplicitFreshness(result.terms)) {
      return { success: renewed(success, time), setback: null };
    }
    const freshness = freshnessOf(result, { limits, timeouts, now: time });
    if (!freshness) return null;
    const until = time + Math.round(freshness.freshMs * (1 + jitterShare * (2 * random() - 1)));
    if (freshness.previous === "replaced" && result.metadata) {
      const learnt: Success = {
        metadata: result.metadata,
        fields: result.isConfirmed && success ? success.fields : result.fields,
        since: time,
        freshUntil: until,
        staleUntil: until + freshness.staleMs,
        staleOnErrorUntil: until + freshness.staleOnErrorMs,
        validators: hasNoStore(result) ? null : (result.terms?.validators ?? null),
      };
      return { success: learnt, setback: null };
    }
    const latest: LastFailure = {
      outcome: outcomeOf(result),
      since: time,
      until,
      timeouts: timeouts + (isTimeout(result) ? 1 : 0),
    };
    return { success: freshness.previous === "dropped" ? null : success, setback: latest };
  };
}

/** A 304 without freshness headers: the same TTLs start again (RFC 9111 4.3.4). */
function renewed(success: Success, time: number): Success {
  const passed = time - success.since;
  return {
    ...success,
    since: time,
    freshUntil: success.freshUntil + passed,
    staleUntil: success.staleUntil + passed,
    staleOnErrorUntil: success.staleOnErrorUntil + passed,
  };
}

function outcomeOf({ metadata, error }: LookupResult): LastFailure["outcome"] {
  if (metadata) return { metadata };
  const { code, upstreamStatus = null, reason = null } = error;
  return { failure: { code, upstreamStatus, reason } };
}
