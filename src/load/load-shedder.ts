import { createUtilizationMeter } from "./event-loop.ts";

export interface LoadShedderOptions {
  /** Whether the service is overloaded; if not, no request is rejected, however busy the event loop is. */
  readonly isNeeded: () => boolean;
  /** Target event loop utilization, 0 to 1. The rest is for cheap requests, and leaves the CPU to the decoders. */
  readonly mostBusy: number;
  /** Interval between measurements, in milliseconds. */
  readonly everyMs: number;
}

export interface LoadShedder {
  /** Decides on one request, and counts it: call it once per request. */
  decide(): "accept" | "reject";
}

/** Two fifths of the event loop's time stay for cache hits; on few processors, for the decoders too. */
export const sheddingLimits = { mostBusy: 0.6, everyMs: 50 };

// Per unit of excess or spare utilization. The share rises within a few measurements, since requests admitted meanwhile
// delay all others, and falls slowly: otherwise the flood would return with each drop.
const gains = { rising: 0.5, falling: 0.05 };

/**
 * Creates a load shedder: rejects the share of requests that keeps the event loop utilization at its target.
 *
 * Even the head of a request costs a millisecond. A limit on responses alone would let a flood of requests take all of
 * the time, and delay cache hits like all others.
 */
export function createLoadShedder({ isNeeded, mostBusy, everyMs }: LoadShedderOptions): LoadShedder {
  const utilization = createUtilizationMeter();
  let share = 0;
  let due = 0;
  let hasRejected = false; // since the last measurement

  /** Adjusts the share of rejections to the utilization since the last measurement. */
  function measure(): void {
    const busy = utilization();
    const tooMuch = (isNeeded() || hasRejected ? busy : 0) - mostBusy;
    hasRejected = false;
    share = Math.min(1, Math.max(0, share + tooMuch * (tooMuch > 0 ? gains.rising : gains.falling)));
  }

  setInterval(measure, everyMs).unref();
  return {
    decide() {
      due += share;
      if (due < 1) return "accept";
      due -= 1; // spreads the rejections evenly
      hasRejected = true;
      return "reject";
    },
  };
}
