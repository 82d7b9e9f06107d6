/** The permit to read a body to its end and decode it; dispose it afterwards. */
export interface DecodePermit extends Disposable {
  /** Marks the body as complete: it waits for a decoder now. */
  arrived(): void;
}

export interface DecodeQueue {
  /**
   * Waits until the decoders are about to need a body of that size (FIFO), if they do not already.
   *
   * @param signal ends the wait
   * @returns null if the decoders are overloaded: the result would be too late for most callers
   */
  take(bytes: number, signal: AbortSignal): Promise<DecodePermit | null>;
  readonly waiting: number;
  /** Whether the next caller will most likely get a permit at once. */
  readonly isFree: boolean;
  /** Whether the cooldown after a rejection is active. */
  readonly isShort: boolean;
}

export interface DecodeQueueOptions {
  /** Limit of the bytes that wait for decoders, or are being read for them. A body counts for a quarter at most. */
  readonly maxBytes: number;
  /** Limit of the decode time that waits for them. */
  readonly maxWorkMs: number;
  /** The recent average decode time of a picture. */
  readonly expectedMs: () => number;
  /** A body that takes longer to arrive is not counted until it is complete: its origin is slow. */
  readonly arrivalMs: number;
  /** Nor is a complete body that waits for longer: slow decodes use the slow lane. */
  readonly lookMs: number;
  /** Longest wait in the queue, enough for a burst. A longer wait means overload: all waiting callers get null. */
  readonly patienceMs: number;
  /** Whether to reject the queue at once, since other lookups cannot even begin. */
  readonly isCrowded: () => boolean;
  /** Lookups that may soon take a permit, or are reading with one. */
  readonly coming: () => number;
  /** Cooldown after a rejection: fail fast instead of queueing. Each rejection restarts it. */
  readonly shortMs: number;
}

/**
 * At most half a second of work. Bursts are worked off for five seconds: two hundred photos. A room does not wait that
 * long, and has the facts of the head by then.
 */
export const decodeQueueLimits = { maxWorkMs: 500, arrivalMs: 250, lookMs: 1000, patienceMs: 5000, shortMs: 1000 };

interface Waiter {
  readonly bytes: number;
  readonly since: number;
  readonly settle: (turn: DecodePermit | null) => void;
}

const everyMs = 50;

/**
 * Creates the decode queue: reads no more bodies than the decoders will soon need (backpressure).
 *
 * More would only take memory and add latency for all callers. The other bodies wait at their origins.
 */
export function createDecodeQueue(options: DecodeQueueOptions): DecodeQueue {
  const { maxBytes, maxWorkMs, expectedMs, arrivalMs, lookMs, patienceMs, isCrowded, coming, shortMs } = options;
  const queue: Waiter[] = [];
  let count = 0;
  let used = 0;
  let shortUntil = -Infinity;
  let review: NodeJS.Timeout | undefined;

  const hasRoom = (bytes: number) => used === 0 || (used + bytes <= maxBytes && count * expectedMs() < maxWorkMs);

  function occupy(bytes: number): DecodePermit {
    let isCounted = false;
    const setCounted = (wanted: boolean) => {
      if (wanted === isCounted) return;
      isCounted = wanted;
      count += wanted ? 1 : -1;
      used += wanted ? bytes : -bytes;
    };
    const leave = () => {
      clearTimeout(timer);
      setCounted(false);
      admit();
    };
    const countFor = (milliseconds: number) => {
      clearTimeout(timer);
      timer = setTimeout(leave, milliseconds);
      setCounted(true);
    };
    let timer: NodeJS.Timeout | undefined;
    countFor(arrivalMs);
    return { arrived: () => countFor(lookMs), [Symbol.dispose]: leave };
  }

  function admit(): void {
    for (let [next] = queue; next && hasRoom(next.bytes); [next] = queue) {
      queue.shift();
      next.settle(occupy(next.bytes));
    }
    if (queue.length > 0) return;
    clearInterval(review);
    review = undefined;
  }

  function reviewQueue(): void {
    const now = performance.now();
    const [first] = queue;
    if (first && (now - first.since > patienceMs || isCrowded())) {
      shortUntil = now + shortMs;
      for (const { settle } of queue.splice(0)) settle(null);
    }
    admit(); // needed because `hasRoom` also changes without a released permit
  }

  return {
    take(wantedBytes, signal) {
      if (signal.aborted) return Promise.resolve(null);
      const bytes = Math.min(wantedBytes, maxBytes / 4);
      if (queue.length === 0 && hasRoom(bytes)) return Promise.resolve(occupy(bytes));
      const now = performance.now();
      if (now < shortUntil) {
        shortUntil = now + shortMs;
        return Promise.resolve(null);
      }
      review ??= setInterval(reviewQueue, everyMs);
      return new Promise((resolve) => {
        const waiter: Waiter = {
          bytes,
          since: now,
          settle(turn) {
            signal.removeEventListener("abort", giveUp);
            resolve(turn);
          },
        };
        function giveUp() {
          queue.splice(queue.indexOf(waiter), 1);
          resolve(null);
          admit();
        }
        signal.addEventListener("abort", giveUp, { once: true });
        queue.push(waiter);
      });
    },
    get waiting() {
      return queue.length;
    },
    get isFree() {
      return queue.length === 0 && used < maxBytes && (count + coming()) * expectedMs() < maxWorkMs;
    },
    get isShort() {
      return performance.now() < shortUntil;
    },
  };
}
