/** The right to have a body read to its end and looked at; disposed of when that is done. */
export interface DecodePermit extends Disposable {
  /** All of it is there, however long that took: it waits for a decoder now. */
  arrived(): void;
}

/**
 * Waits until the decoders will soon have use for a body of that size, first come first served; not at all where they have now.
 *
 * @param signal nobody waits for longer
 * @returns null where more is asked for than can be done: the picture would be described too late for most who ask
 */
export type EnterDecodeQueue = (bytes: number, signal: AbortSignal) => Promise<DecodePermit | null>;

export interface DecodeQueue {
  readonly take: EnterDecodeQueue;
  readonly waiting: number;
  /** Whether whoever comes now will most likely have one at once. */
  readonly isFree: boolean;
  /** Whether somebody was turned away lately. */
  readonly isShort: boolean;
}

export interface DecodeQueueOptions {
  /** What may wait for decoders, or be on its way to them. A body counts for a quarter of it at most. */
  readonly maxBytes: number;
  /** How much work may wait for them. */
  readonly maxWorkMs: number;
  /** What one picture adds to that, lately. */
  readonly expectedMs: () => number;
  /** A body that is longer on its way is not counted until it is there: its origin is slow, and the decoders have time. */
  readonly arrivalMs: number;
  /** Nor is one that is there for longer: it is a slow one, and those have a way of their own. */
  readonly lookMs: number;
  /** A burst is worked off. Where somebody waits for longer, more is asked for than can be done, and all who wait get none. */
  readonly patienceMs: number;
  /** Whether nobody shall wait even so long: others could not even begin. */
  readonly isCrowded: () => boolean;
  /** Lookups that may soon take a turn, or have one and read. */
  readonly coming: () => number;
  /** So long after the last one was turned away nobody waits, since it would be in vain: who finds no turn at once gets none. */
  readonly shortMs: number;
}

interface Waiter {
  readonly bytes: number;
  readonly since: number;
  readonly settle: (turn: DecodePermit | null) => void;
}

const everyMs = 50;

/**
 * Lets no more bodies be read than the decoders will soon have use for: more would only take memory, and make each that is
 * looked at late for whoever asked. What is not read yet waits at its origin.
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
    admit(); // also where those ended that have no turn
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
