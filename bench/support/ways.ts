/** Those who look pictures up: the service, and what it is compared with. */
import { Pool } from "undici";
import type { Service } from "../../test/support/service.ts";
import { processorMsOfTree, watchMemory } from "./figures.ts";
import { type LookupsQuestion, type LookupsReply, timeLookups } from "./lookups.ts";
import type { PicturesOrigin } from "./pictures-origin.ts";
import type { Picture } from "./pictures.ts";
import { startHelper } from "./processes.ts";
import { median } from "./table.ts";

export interface Way {
  readonly name: string;
  /** Its processor time and memory are those of this process and of all below it. */
  readonly pid: number;
  lookUp(urls: readonly string[], concurrency: number): Promise<LookupsReply>;
  stop(): Promise<void>;
}

/** Asks a server for each URL, and has the answer judged. */
export function byHttp(
  { name, pid, url }: { readonly name: string; readonly pid: number; readonly url: string },
  requestFor: (url: string) => { path: string; body?: string },
  check: (answer: unknown) => boolean,
): Way {
  // Not `fetch`, which takes a millisecond and a half of the processor that the server is to be measured on.
  const pool = new Pool(url);
  const lookUp = async (url: string) => {
    const { path, body } = requestFor(url);
    const reply =
      body === undefined
        ? await pool.request({ method: "GET", path })
        : await pool.request({ method: "POST", path, headers: { "content-type": "application/json" }, body });
    const answer = await reply.body.json();
    if (reply.statusCode !== 200 || !check(answer)) {
      throw new Error(`${name} gave no description: ${reply.statusCode} ${JSON.stringify(answer)}`);
    }
  };
  return { name, pid, lookUp: (urls, concurrency) => timeLookups(urls, concurrency, lookUp), stop: () => pool.close() };
}

/** The whole description, or only what is named. */
export function byService({ url, process }: Service, fields?: readonly string[]): Way {
  const requestFor = (url: string) => ({ path: "/metadata", body: JSON.stringify({ url, fields }) });
  return byHttp({ name: "media-oracle", pid: process.pid!, url }, requestFor, (answer) => {
    const { blurhash, width } = answer as { blurhash: string | null; width: number | null };
    return fields ? width !== null : blurhash !== null;
  });
}

/** By a process of its own that does nothing else: `bench/support/PROGRAM.ts`. */
export function byProcess(name: string, program: string): Way {
  const helper = startHelper<LookupsQuestion, LookupsReply>(program);
  return {
    name,
    pid: helper.pid,
    lookUp: (urls, concurrency) => helper.ask({ urls, concurrency }),
    stop: () => Promise.resolve(helper.stop()),
  };
}

export const byNaive = (): Way => byProcess("fetch, sharp and blurhash", "naive");

/** Of one way. What has a spread is one value a round. */
export interface Comparison {
  readonly rates: number[];
  /** Medians of lookups one at a time. */
  readonly latenciesMs: number[];
  readonly processorMs: number[];
  readonly originRequests: number;
  readonly originBytes: number;
}

export interface CompareOptions {
  readonly rounds: number;
  readonly atOnce: number;
}

/** Has all look up cold URLs of a picture, many at once and one at a time, in turn, round after round. The figures are a lookup's. */
export async function compare(
  ways: readonly Way[],
  origin: PicturesOrigin,
  picture: Picture,
  { rounds, atOnce }: CompareOptions,
): Promise<Comparison[]> {
  const { lookupsARound } = picture;
  const found = ways.map(() => ({
    rates: [] as number[],
    latenciesMs: [] as number[],
    processorMs: [] as number[],
    counts: { requests: 0, bytes: 0 },
  }));
  for (let round = -1; round < rounds; round += 1) {
    for (const [index, way] of ways.entries()) {
      const before = { counts: await origin.counts(), processorMs: processorMsOfTree(way.pid) };
      const { elapsedMs } = await way.lookUp(origin.coldUrls(picture, lookupsARound), atOnce);
      const processorMs = processorMsOfTree(way.pid) - before.processorMs;
      const counts = await origin.counts();
      const { latenciesMs } = await way.lookUp(origin.coldUrls(picture, lookupsARound), 1);
      if (round < 0) continue; // warm-up
      const one = found[index]!;
      one.rates.push(lookupsARound / (elapsedMs / 1000));
      one.latenciesMs.push(median(latenciesMs));
      one.processorMs.push(processorMs / lookupsARound);
      one.counts.requests += counts.requests - before.counts.requests;
      one.counts.bytes += counts.bytes - before.counts.bytes;
    }
  }
  return found.map(({ counts, ...figures }) => ({
    ...figures,
    originRequests: counts.requests / (rounds * lookupsARound),
    originBytes: counts.bytes / (rounds * lookupsARound),
  }));
}

/** The most that a way and all below it have while they look up so many at once. Apart from {@link compare}: to look takes time. */
export async function peakMemory(way: Way, urls: readonly string[], atOnce: number): Promise<number> {
  const watch = watchMemory(way.pid);
  await way.lookUp(urls, atOnce);
  return watch.stop();
}

/** What the first is of the second, round by round. */
export function ratios(ours: readonly number[], theirs: readonly number[]): number[] {
  return ours.map((value, round) => value / theirs[round]!);
}
