export interface LookupsQuestion {
  readonly urls: readonly string[];
  readonly concurrency: number;
}
export interface LookupsReply {
  readonly elapsedMs: number;
  readonly latenciesMs: number[];
}

/** Runs the lookups, so many at once. */
export async function timeLookups(
  urls: readonly string[],
  concurrency: number,
  lookup: (url: string) => Promise<unknown>,
): Promise<LookupsReply> {
  const left = [...urls];
  const latenciesMs: number[] = [];
  const began = performance.now();
  await Promise.all(
    Array.from({ length: concurrency }, async () => {
      for (let url = left.pop(); url !== undefined; url = left.pop()) {
        const asked = performance.now();
        await lookup(url);
        latenciesMs.push(performance.now() - asked);
      }
    }),
  );
  return { elapsedMs: performance.now() - began, latenciesMs };
}
