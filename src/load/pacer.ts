import { OracleError } from "../domain/errors.ts";

/** Paces fetches: spreads their starts while the event loop is busy. */
export interface Pacer {
  /**
   * Waits until a fetch may start (FIFO).
   *
   * @param signal ends the wait
   * @returns dispose it when the head has arrived, or the fetch has ended
   * @throws OracleError `overloaded` if the signal is aborted first
   */
  start(signal: AbortSignal): Promise<Disposable>;
  readonly waiting: number;
}

export interface PacerOptions {
  /** Measures the event loop utilization, 0 to 1, since its last call. */
  readonly utilization: () => number;
  /** Utilization from which the event loop is busy. */
  readonly mostBusy: number;
  /** Interval between measurements, in milliseconds. */
  readonly everyMs: number;
  /** Fetches without a head at once while the event loop is busy; when it is not, as many more start at each measurement. */
  readonly fewest: number;
  /** A fetch without a head counts for this time: its origin is slow, and takes no time of the event loop. */
  readonly headMs: number;
  /** Milliseconds, monotonic. */
  readonly now: () => number;
}

/** Six near origins keep the event loop busy. */
export const pacerLimits = { mostBusy: 0.8, everyMs: 20, fewest: 6, headMs: 250 };

/**
 * Creates a pacer.
 *
 * The head of a response takes a millisecond. If all fetch slots get theirs at once, cache hits wait for as many
 * milliseconds, and the decoders have no processor meanwhile. Load shedding comes too late for that: it begins when the
 * decode queue is full.
 */
export function createPacer({ utilization, mostBusy, everyMs, fewest, headMs, now }: PacerOptions): Pacer {
  const queue: (() => void)[] = [];
  let starting = 0;
  let isBusy = false;
  let measuredAt = -Infinity;
  let review: NodeJS.Timeout | undefined;

  function measure(): void {
    if (now() - measuredAt < everyMs) return;
    measuredAt = now();
    isBusy = utilization() > mostBusy;
  }

  function begin(): Disposable {
    let isStarting = true;
    starting += 1;
    function end() {
      if (!isStarting) return;
      isStarting = false;
      clearTimeout(timer);
      starting -= 1;
      if (starting < fewest) startNext();
    }
    const timer = setTimeout(end, headMs);
    return { [Symbol.dispose]: end };
  }

  function startNext(): void {
    queue.shift()?.();
    if (queue.length > 0) return;
    clearInterval(review);
    review = undefined;
  }

  function reviewQueue(): void {
    measure();
    const most = isBusy ? fewest - starting : fewest;
    for (let started = 0; started < most; started += 1) startNext();
  }

  return {
    async start(signal) {
      if (signal.aborted) throw tooBusy();
      measure();
      if (queue.length === 0 && (!isBusy || starting < fewest)) return begin();
      review ??= setInterval(reviewQueue, everyMs);
      return new Promise((resolve, reject) => {
        function go() {
          signal.removeEventListener("abort", giveUp);
          resolve(begin());
        }
        function giveUp() {
          queue.splice(queue.indexOf(go), 1);
          reject(tooBusy());
        }
        signal.addEventListener("abort", giveUp, { once: true });
        queue.push(go);
      });
    },
    get waiting() {
      return queue.length;
    },
  };
}

function tooBusy(): OracleError {
  return new OracleError("overloaded", "the event loop was too busy to start in time");
}
