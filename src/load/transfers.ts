/**
 * Rules for slow transfers, so that those that drip, or stop, hold neither slots nor memory while others wait.
 *
 * A transfer is all that one lookup receives, from the connection to the last byte. It is measured in windows of one second of
 * waiting for the origin; time in which we hold the body back ourselves does not count. A window is slow below 64 KiB/s: at that
 * rate not even 1 MiB arrives within the 15 s of a lookup (15 x 64 KiB = 960 KiB). Before the head of the answer the rate is 0.
 *
 * 1. The slowest yields: for each lookup that has waited 100 ms for a slot, the slowest of the transfers that hold up its slot
 *    (those of the same host or site, if that limit is full) is ended, if its last two windows were slow. In 100 ms
 *    one of dozens of healthy transfers would have freed a slot; 2 s are more than a healthy origin needs for its head.
 *    So no transfer of a decent rate ever yields, and without a queue none does.
 * 2. Minimum rate of large bodies: beyond 1 MiB, a body whose last four windows were slow is ended, queue or not, since its
 *    buffer takes at least 2 MiB from all others. Four seconds are longer than two lost retransmissions (1 s and 2 s, RFC 6298).
 *
 * A transfer that is ended so is like one whose time is over: `body_timeout` with the facts so far, and `source_unreachable` if no
 * head came. Not `overloaded`: the origin is at fault, and 503 would make chat servers leave the whole service alone.
 */
export interface Transfers {
  /**
   * Begins to measure.
   *
   * @param keys of the limits that its slot counts against, {@link wholeKey} included
   * @param outer the end of the whole lookup
   */
  begin(keys: readonly string[], outer: AbortSignal): Transfer;
}

/** Measures what an origin sends while we wait for it. */
export interface Meter {
  /** Begins to wait for the origin; several waits may overlap. Returns the end of this one, which may be called twice. */
  wait(): () => void;
  received(bytes: number): void;
}

export interface Transfer extends Meter, Disposable {
  /** Aborted with the outer signal, or when the transfer is too slow. */
  readonly signal: AbortSignal;
}

export interface TransfersOptions {
  /** Lookups that have waited at least so long, by the key of the limit that holds them up. */
  readonly starved: (waitedMs: number) => Map<string, number>;
  /** Milliseconds, monotonic. */
  readonly now: () => number;
}

const windowMs = 1000;
const leastBytesPerWindow = 64 * 1024;
const maxWaitedMs = 100;
const slowWindowsToYield = 2;
const slowWindowsOfLarge = 4;
const largeBytes = 1024 * 1024;

// A tenth of a window: a decision is late by no more, and a review of 64 transfers costs microseconds.
const reviewEveryMs = 100;

interface Running {
  readonly keys: readonly string[];
  readonly end: () => void;
  readonly isWaiting: () => boolean;
  /** Brings its windows up to date. */
  readonly measure: (time: number) => void;
  slowWindows: number;
  /** In the last whole window. */
  lastBytes: number;
  windowBytes: number;
  totalBytes: number;
}

export function createTransfers({ starved, now }: TransfersOptions): Transfers {
  const running = new Set<Running>();
  let review: NodeJS.Timeout | undefined;

  function startRunning(keys: readonly string[], end: () => void): Running & Meter {
    let waits = 0;
    let waitedSince = 0;
    let windowWaitedMs = 0;

    function measure(time: number): void {
      if (waits === 0) return;
      windowWaitedMs += time - waitedSince;
      waitedSince = time;
      if (windowWaitedMs < windowMs) return;
      // A late review has one longer window: the rate counts, and a window never passes without a look at it.
      const isSlow = self.windowBytes < (leastBytesPerWindow * windowWaitedMs) / windowMs;
      self.slowWindows = isSlow ? self.slowWindows + 1 : 0;
      self.lastBytes = self.windowBytes;
      self.windowBytes = 0;
      windowWaitedMs = 0;
    }

    const self: Running & Meter = {
      keys,
      end,
      isWaiting: () => waits > 0,
      measure,
      slowWindows: 0,
      lastBytes: 0,
      windowBytes: 0,
      totalBytes: 0,
      wait() {
        if (waits === 0) waitedSince = now();
        waits += 1;
        let isOver = false;
        return () => {
          if (isOver) return;
          isOver = true;
          measure(now());
          waits -= 1;
        };
      },
      received(bytes) {
        self.windowBytes += bytes;
        self.totalBytes += bytes;
      },
    };
    return self;
  }

  /** Whether the last windows were slow, and the current one is not better already. */
  function isSlowFor(windows: number, { slowWindows, windowBytes, isWaiting }: Running): boolean {
    return isWaiting() && slowWindows >= windows && windowBytes < leastBytesPerWindow;
  }

  function end(transfer: Running): void {
    running.delete(transfer);
    transfer.end();
  }

  function reviewAll(): void {
    const time = now();
    for (const transfer of running) transfer.measure(time);
    for (const transfer of running) {
      if (transfer.totalBytes > largeBytes && isSlowFor(slowWindowsOfLarge, transfer)) end(transfer);
    }
    const waiting = starved(maxWaitedMs);
    if (waiting.size === 0) return;
    const slow = [...running].filter((transfer) => isSlowFor(slowWindowsToYield, transfer));
    // Of equally slow ones the oldest: the order of the set, which sort() keeps.
    for (const transfer of slow.sort((one, other) => one.lastBytes - other.lastBytes)) {
      const key = transfer.keys.find((key) => (waiting.get(key) ?? 0) > 0);
      if (key === undefined) continue;
      waiting.set(key, (waiting.get(key) ?? 0) - 1);
      end(transfer);
    }
  }

  return {
    begin(keys, outer) {
      const controller = new AbortController();
      const abort = () => controller.abort();
      if (outer.aborted) abort();
      outer.addEventListener("abort", abort, { once: true });
      const transfer = startRunning(keys, abort);
      running.add(transfer);
      review ??= setInterval(reviewAll, reviewEveryMs);
      return {
        signal: controller.signal,
        wait: () => transfer.wait(),
        received: (bytes) => transfer.received(bytes),
        [Symbol.dispose]() {
          outer.removeEventListener("abort", abort);
          running.delete(transfer);
          if (running.size > 0) return;
          clearInterval(review);
          review = undefined;
        },
      };
    },
  };
}
