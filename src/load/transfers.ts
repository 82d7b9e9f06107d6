import { wholeKey } from "../domain/limits.ts";
import type { Meter, Transfer } from "../domain/transfer.ts";

/**
 * Rules for slow transfers (slowloris), so that dripping or stalled ones hold neither slots nor memory while others wait.
 *
 * A transfer is all that one lookup receives, from the connection to the last byte. It is measured in windows of one
 * second of waiting for the origin; our own backpressure does not count. A window is slow below 64 KiB/s: at that rate
 * not even 1 MiB arrives within the 15 s of a lookup (15 x 64 KiB = 960 KiB). Before the response head the rate is 0.
 *
 * 1. The slowest yields: for each lookup that has waited 100 ms for a slot, the slowest transfer that blocks its slot
 *    (of the same host or site, if that limit is full) is ended, if its last two windows were slow. In 100 ms
 *    one of dozens of healthy transfers would have freed a slot; 2 s are more than a healthy origin needs for its head.
 *    So a transfer at a decent rate never yields, and without a queue none does.
 *    If all slots are taken, it gives back its own before that: after 250 ms without a decent rate the waiting lookup starts beside it, and the transfer runs
 *    on until its two windows are over. At most `maxYielded` transfers run without a slot; then the slowest of them ends first.
 * 2. Minimum rate of large bodies: beyond 1 MiB, a body whose last four windows were slow is ended, queue or not, since
 *    its buffer takes at least 2 MiB from all others. Four seconds exceed two lost retransmissions (1 s and 2 s, RFC 6298).
 *
 * A transfer ended by these rules is reported like a timeout: `body_timeout` with the facts so far, or
 * `source_unreachable` without a head. Not `overloaded`: the origin is at fault, and a 503 would make chat servers
 * stop using the whole service for a while.
 */
export interface Transfers {
  /**
   * Begins to measure a transfer.
   *
   * @param keys of the limits that its slot counts against, {@link wholeKey} included
   * @param outer aborted at the end of the whole lookup
   * @param yieldSlot releases the slot while the transfer runs on; may be called once the lookup has released it itself
   */
  begin(keys: readonly string[], outer: AbortSignal, yieldSlot: () => void): Transfer;
  /** Bytes that all transfers have received since the start. */
  readonly receivedBytes: number;
}

export interface TransfersOptions {
  /** Number of lookups that have waited for at least `waitedMs`, by the key of the limit that blocks them. */
  readonly starved: (waitedMs: number) => Map<string, number>;
  /** Transfers that may run without a slot. Each holds one socket, and its memory counts against the byte budget. */
  readonly maxYielded: number;
  /** Milliseconds, monotonic. */
  readonly now: () => number;
}

const windowMs = 1000;
const leastBytesPerWindow = 64 * 1024;
const maxWaitedMs = 100;
const slowWindowsToYield = 2;
// A round trip around the world: an origin that is only far away may give up its slot, and loses nothing by it.
const slowMsToYieldSlot = 250;
const slowWindowsOfLarge = 4;
const largeBytes = 1024 * 1024;

// A tenth of a window, the maximum delay of a decision. A review of 64 transfers costs microseconds.
const reviewEveryMs = 100;

interface Running {
  readonly keys: readonly string[];
  readonly end: () => void;
  readonly yieldSlot: () => void;
  hasYielded: boolean;
  /** Time of the current window in which we waited for the origin. */
  windowWaitedMs: number;
  readonly isWaiting: () => boolean;
  /** Updates its windows. */
  readonly measure: (time: number) => void;
  slowWindows: number;
  /** In the last complete window. */
  lastBytes: number;
  windowBytes: number;
  totalBytes: number;
}

// Of equally slow ones the oldest: the order of the set, which sort() keeps.
const bySpeed = (one: Running, other: Running) => one.lastBytes - other.lastBytes;

export function createTransfers({ starved, maxYielded, now }: TransfersOptions): Transfers {
  const running = new Set<Running>();
  let receivedBytes = 0;
  let review: NodeJS.Timeout | undefined;

  function startRunning(keys: readonly string[], end: () => void, yieldSlot: () => void): Running & Meter {
    let waits = 0;
    let waitedSince = 0;

    function measure(time: number): void {
      if (waits === 0) return;
      self.windowWaitedMs += time - waitedSince;
      waitedSince = time;
      if (self.windowWaitedMs < windowMs) return;
      // After a late review the window is longer: the rate counts, so no window is skipped.
      const isSlow = self.windowBytes < (leastBytesPerWindow * self.windowWaitedMs) / windowMs;
      self.slowWindows = isSlow ? self.slowWindows + 1 : 0;
      self.lastBytes = self.windowBytes;
      self.windowBytes = 0;
      self.windowWaitedMs = 0;
    }

    const self: Running & Meter = {
      keys,
      end,
      yieldSlot,
      hasYielded: false,
      windowWaitedMs: 0,
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
        receivedBytes += bytes;
      },
    };
    return self;
  }

  /** Checks that the last windows were slow, and that the current one is not fast already. */
  function isSlowFor(windows: number, { slowWindows, windowBytes, isWaiting }: Running): boolean {
    return isWaiting() && slowWindows >= windows && windowBytes < leastBytesPerWindow;
  }

  /** Whether the rate is too low for a slot that other lookups wait for. */
  function isSlowNow({ slowWindows, windowBytes, windowWaitedMs, isWaiting }: Running): boolean {
    const isLong = slowWindows > 0 || windowWaitedMs >= slowMsToYieldSlot;
    return (
      isWaiting() &&
      isLong &&
      windowBytes < (leastBytesPerWindow * Math.max(windowWaitedMs, slowMsToYieldSlot)) / windowMs
    );
  }

  /** Lets a lookup start beside a slow transfer. At the bound the slowest of those without a slot ends first. */
  function yieldSlot(transfer: Running): boolean {
    if (transfer.hasYielded) return false;
    const yielded = [...running].filter(({ hasYielded }) => hasYielded);
    if (yielded.length >= maxYielded) {
      const [slowest] = yielded.filter((other) => isSlowFor(slowWindowsToYield, other)).sort(bySpeed);
      if (!slowest) return false;
      end(slowest);
    }
    transfer.hasYielded = true;
    transfer.yieldSlot();
    return true;
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
    const slow = [...running].filter((transfer) => !transfer.hasYielded && isSlowNow(transfer));
    for (const transfer of slow.sort(bySpeed)) {
      const key = transfer.keys.find((key) => (waiting.get(key) ?? 0) > 0);
      if (key === undefined) continue;
      // A slot does not help a lookup of the same host or site: the connections of the slow ones fill their limit too.
      if (key !== wholeKey || !yieldSlot(transfer)) {
        if (!isSlowFor(slowWindowsToYield, transfer)) continue;
        end(transfer);
      }
      waiting.set(key, (waiting.get(key) ?? 0) - 1);
    }
  }

  return {
    get receivedBytes() {
      return receivedBytes;
    },
    begin(keys, outer, yieldSlot) {
      const controller = new AbortController();
      const abort = () => controller.abort();
      if (outer.aborted) abort();
      outer.addEventListener("abort", abort, { once: true });
      const transfer = startRunning(keys, abort, yieldSlot);
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
