import type { Semaphore } from "../../src/domain/limits.ts";
import { createSemaphore, type SemaphoreOptions } from "../../src/load/semaphore.ts";

/** Slots without a queue, and without a limit of their own unless the test gives one. */
export function openSlots(options: Partial<SemaphoreOptions> = {}): Semaphore {
  return createSemaphore({
    maxActive: Infinity,
    maxWaiting: 0,
    maxWaitingPerSite: Infinity,
    now: () => performance.now(),
    ...options,
  });
}
