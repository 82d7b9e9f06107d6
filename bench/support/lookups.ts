import { monitorEventLoopDelay } from "node:perf_hooks";

export interface LookupsCommand {
  readonly urls: readonly string[];
  readonly concurrency: number;
}
export interface LookupsReply {
  readonly elapsedMs: number;
  readonly latenciesMs: number[];
  /** Number of lookups whose answer lacked the requested metadata. */
  readonly incomplete: number;
  /** p99 of the lag of the contender's event loop; null if it is not known. */
  readonly loopP99Ms: number | null;
}

// Node's event loop histogram (which prom-client uses too) measures the interval of a timer, so it includes this period.
const loopTimerMs = 10;

/** Converts a value of Node's event loop histogram to the lag. @param seconds interval of the timer, lag included */
export function loopDelayMs(seconds: number): number {
  return Math.max(0, seconds * 1000 - loopTimerMs);
}

/**
 * Runs lookups with a given concurrency and measures them.
 *
 * @param lookup returns false if the answer lacks the requested metadata
 */
export async function timeLookups(
  urls: readonly string[],
  concurrency: number,
  lookup: (url: string) => Promise<unknown>,
): Promise<Omit<LookupsReply, "loopP99Ms">> {
  const remaining = [...urls];
  const latenciesMs: number[] = [];
  let incomplete = 0;
  const began = performance.now();
  await Promise.all(
    Array.from({ length: concurrency }, async () => {
      for (let url = remaining.pop(); url !== undefined; url = remaining.pop()) {
        const started = performance.now();
        if ((await lookup(url)) === false) incomplete += 1;
        latenciesMs.push(performance.now() - started);
      }
    }),
  );
  return { elapsedMs: performance.now() - began, latenciesMs, incomplete };
}

/** In a helper process: runs the lookups that each message requests, and sends the measurements. */
export function answerLookups(lookup: (url: string) => Promise<unknown>): void {
  process.on("message", ({ urls, concurrency }: LookupsCommand) => {
    const loop = monitorEventLoopDelay({ resolution: loopTimerMs });
    loop.enable();
    void timeLookups(urls, concurrency, lookup).then((times) => {
      loop.disable();
      const reply: LookupsReply = { ...times, loopP99Ms: loopDelayMs(loop.percentile(99) / 1e9) };
      process.send!(reply);
    });
  });
  process.on("disconnect", () => process.exit());
}
