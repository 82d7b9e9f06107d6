import type { Entry, Setback, Success } from "./entry.ts";
import {
  type Ending,
  type FreshnessLimits,
  forbidsStoring,
  freshnessOf,
  isTimeout,
  saysFreshness,
} from "./freshness.ts";

export interface RememberOptions {
  readonly limits: FreshnessLimits;
  /** Epoch milliseconds. */
  readonly now: () => number;
  /** From 0 to 1, like `Math.random`. */
  readonly random: () => number;
}

/** What is remembered when a lookup has ended: of it, and of what was remembered before. Null where that is nothing new. */
export type Remember = (ending: Ending, earlier: Entry | null) => Entry | null;

// What was learnt in the same second is not asked for again in the same second.
const jitter = 0.1;

export function createRemember({ limits, now, random }: RememberOptions): Remember {
  return (ending, earlier) => {
    const time = now();
    const { success = null, setback = null } = earlier ?? {};
    const timeouts = setback?.timeouts ?? 0;
    if (ending.isConfirmed && success && !saysFreshness(ending.terms)) {
      return { success: renewed(success, time), setback: null };
    }
    const freshness = freshnessOf(ending, { limits, timeouts, now: time });
    if (!freshness) return null;
    const until = time + Math.round(freshness.freshMs * (1 + jitter * (2 * random() - 1)));
    if (freshness.earlier === "replaced" && ending.metadata) {
      const learnt: Success = {
        metadata: ending.metadata,
        fields: ending.isConfirmed && success ? success.fields : ending.fields,
        since: time,
        freshUntil: until,
        staleUntil: until + freshness.staleMs,
        staleOnErrorUntil: until + freshness.staleOnErrorMs,
        validators: forbidsStoring(ending) ? null : (ending.terms?.validators ?? null),
      };
      return { success: learnt, setback: null };
    }
    const latest: Setback = {
      outcome: outcomeOf(ending),
      since: time,
      until,
      timeouts: timeouts + (isTimeout(ending) ? 1 : 0),
    };
    return { success: freshness.earlier === "dropped" ? null : success, setback: latest };
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

function outcomeOf({ metadata, error }: Ending): Setback["outcome"] {
  if (metadata) return { metadata };
  const { code, upstreamStatus = null, reason = null } = error;
  return { failure: { code, upstreamStatus, reason } };
}
