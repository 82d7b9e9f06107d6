import { monitorEventLoopDelay } from "node:perf_hooks";

export interface LookupsQuestion {
  readonly urls: readonly string[];
  readonly concurrency: number;
}
export interface LookupsReply {
  readonly elapsedMs: number;
  readonly latenciesMs: number[];
  /** Lookups that were answered without what was asked for. */
  readonly lacking: number;
  /** 99 of 100 turns of the event loop of whoever looked up were late by no more; null where that is not told. */
  readonly loopP99Ms: number | null;
}

// Of Node's own measurement of the loop, which tells how long its timer took, this included; prom-client's is the same.
const loopTimerMs = 10;

/** @param seconds as Node measures it */
export function loopDelayMs(seconds: number): number {
  return Math.max(0, seconds * 1000 - loopTimerMs);
}

/**
 * Runs the lookups, so many at once.
 *
 * @param lookup gives false where the answer lacks what was asked for
 */
export async function timeLookups(
  urls: readonly string[],
  concurrency: number,
  lookup: (url: string) => Promise<unknown>,
): Promise<Omit<LookupsReply, "loopP99Ms">> {
  const left = [...urls];
  const latenciesMs: number[] = [];
  let lacking = 0;
  const began = performance.now();
  await Promise.all(
    Array.from({ length: concurrency }, async () => {
      for (let url = left.pop(); url !== undefined; url = left.pop()) {
        const asked = performance.now();
        if ((await lookup(url)) === false) lacking += 1;
        latenciesMs.push(performance.now() - asked);
      }
    }),
  );
  return { elapsedMs: performance.now() - began, latenciesMs, lacking };
}

/** In a process of its own: does what messages ask for. */
export function answerLookups(lookup: (url: string) => Promise<unknown>): void {
  process.on("message", ({ urls, concurrency }: LookupsQuestion) => {
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
