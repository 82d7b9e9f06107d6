import { performance } from "node:perf_hooks";

/** Returns a function that measures the event loop utilization, 0 to 1, since its last call. */
export function createUtilizationMeter(): () => number {
  let last = performance.eventLoopUtilization();
  return () => {
    const now = performance.eventLoopUtilization();
    const { utilization } = performance.eventLoopUtilization(now, last);
    last = now;
    return utilization;
  };
}
