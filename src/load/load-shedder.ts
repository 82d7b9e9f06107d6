import { performance } from "node:perf_hooks";

export interface LoadShedderOptions {
  /** Whether more is asked for than can be done; else nobody is refused, however busy this process is. */
  readonly isNeeded: () => boolean;
  /** How busy its event loop may be then, from 0 to 1: the rest is for those who need little, and the processor for the decoders. */
  readonly mostBusy: number;
  /** How often that is looked at. */
  readonly everyMs: number;
}

/** Whether whoever asks now is to be refused. Counts as one who asks. */
export type ShouldShed = () => boolean;

// Of what the loop is too busy, or not busy enough. It rises in a few looks, since whoever comes in meanwhile is in everybody's
// way, and falls in many, or the flood would come in each time that it falls.
const gains = { rising: 0.5, falling: 0.05 };

/**
 * Refuses as large a share of those who ask as keeps the event loop from being too busy.
 *
 * Even a head costs a millisecond of this process. Where only what comes back is looked at, a flood of questions takes all the
 * time there is, and the answers that are remembered come as late as all others.
 */
export function createLoadShedder({ isNeeded, mostBusy, everyMs }: LoadShedderOptions): ShouldShed {
  let last = performance.eventLoopUtilization();
  let share = 0;
  let due = 0;
  let hasRefused = false; // since the last look

  function look(): void {
    const now = performance.eventLoopUtilization();
    const { utilization } = performance.eventLoopUtilization(now, last);
    last = now;
    const tooMuch = (isNeeded() || hasRefused ? utilization : 0) - mostBusy;
    hasRefused = false;
    share = Math.min(1, Math.max(0, share + tooMuch * (tooMuch > 0 ? gains.rising : gains.falling)));
  }

  setInterval(look, everyMs).unref();
  return () => {
    due += share;
    if (due < 1) return false;
    due -= 1; // so that they are spread evenly
    hasRefused = true;
    return true;
  };
}
