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

/** What is remembered when a lookup has ended: of it, and of what was remembered before. Null where that is nothing new. */
export type CachePolicy = (result: LookupResult, previous: Entry | null) => Entry | null;

// What was learnt in the same second is not asked for again in the same second.
const jitter = 0.1;

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
    const until = time + Math.round(freshness.freshMs * (1 + jitter * (2 * random() - 1)));
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

/** The same times once more. */
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
