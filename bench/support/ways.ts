/** Those who look pictures up: the service, and what it is compared with. */
import { availableParallelism } from "node:os";
import { Pool } from "undici";
import type { Service } from "../../test/support/service.ts";
import type { DecodeLoopPicture } from "./decode-loop.ts";
import { processorMsOfTree, watchMemory } from "./figures.ts";
import { loopDelayMs, type LookupsQuestion, type LookupsReply, timeLookups } from "./lookups.ts";
import type { PicturesOrigin } from "./pictures-origin.ts";
import type { Picture } from "./pictures.ts";
import { startHelper } from "./processes.ts";
import type { Server } from "./servers.ts";
import { median } from "./table.ts";

export interface Way {
  readonly name: string;
  /** Its processor time and memory are those of this process and of all below it. */
  readonly pid: number;
  lookUp(urls: readonly string[], concurrency: number): Promise<LookupsReply>;
  stop(): Promise<void>;
}

interface WayByHttp {
  readonly name: string;
  readonly pid: number;
  readonly url: string;
  readonly requestFor: (url: string) => { readonly path: string; readonly body?: string };
  /** Whether the answer says what was asked for; a 503 does not. */
  readonly isAnswer: (answer: unknown) => boolean;
}

/** Asks a server for each URL. */
function byHttp({ name, pid, url, requestFor, isAnswer }: WayByHttp): Way {
  // Not `fetch`, which takes a millisecond and a half of the processor that the server is to be measured on.
  const pool = new Pool(url);
  const lookUp = async (url: string) => {
    const { path, body } = requestFor(url);
    const asked = body === undefined ? ({ method: "GET" } as const) : ({ method: "POST", headers, body } as const);
    const reply = await pool.request({ path, ...asked });
    const answer = await reply.body.json();
    if (reply.statusCode === 200 || reply.statusCode === 503) return isAnswer(answer);
    throw new Error(`${name} gave no description: ${reply.statusCode} ${JSON.stringify(answer)}`);
  };
  return {
    name,
    pid,
    async lookUp(urls, concurrency) {
      return { ...(await timeLookups(urls, concurrency, lookUp)), loopP99Ms: null };
    },
    stop: () => pool.close(),
  };
}

const headers = { "content-type": "application/json" };

/** The service describes the whole, or what is named. */
export function byService({ url, process }: Service, fields?: readonly string[]): Way {
  const way = byHttp({
    name: fields ? `media-oracle, ${fields.join(", ")}` : "media-oracle",
    pid: process.pid!,
    url,
    requestFor: (url) => ({ path: "/metadata", body: JSON.stringify({ url, fields }) }),
    isAnswer: (answer) => Boolean((answer as Record<string, unknown>)[fields ? "width" : "blurhash"]),
  });
  return {
    ...way,
    async lookUp(urls, concurrency) {
      await loopP99MsOf(url); // what was measured before is taken away
      return { ...(await way.lookUp(urls, concurrency)), loopP99Ms: await loopP99MsOf(url) };
    },
  };
}

/** Of the service's event loop, since it was last asked. */
export async function loopP99MsOf(url: string): Promise<number> {
  const metrics = await (await fetch(`${url}/metrics`)).text();
  return loopDelayMs(Number(/^nodejs_eventloop_lag_p99_seconds (\S+)$/m.exec(metrics)?.[1]));
}

/** Iframely tells a picture's type and size. */
export function byIframely({ url, pid }: Server): Way {
  return byHttp({
    name: "iframely",
    pid,
    url,
    requestFor: (url) => ({ path: `/iframely?url=${encodeURIComponent(url)}` }),
    isAnswer: (answer) => JSON.stringify(answer).includes('"width"'),
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

/** Only decodes the picture, which is in memory already, as many at once as there are processors. */
export async function byDecodeLoop({ body, width, height }: Picture, threads = 1): Promise<Way> {
  const helper = startHelper<DecodeLoopPicture | LookupsQuestion, LookupsReply>("decode-loop");
  await helper.ask({ picture: body.toString("base64"), width, height, threads });
  return {
    name: "only decoding",
    pid: helper.pid,
    lookUp: (urls, concurrency) => helper.ask({ urls, concurrency: Math.min(concurrency, availableParallelism()) }),
    stop: () => Promise.resolve(helper.stop()),
  };
}

/** Of one way. What has a spread is one value a round. */
export interface Comparison {
  readonly rates: number[];
  /** Medians of lookups one at a time. */
  readonly latenciesMs: number[];
  readonly processorMs: number[];
  /** Null where it is not told. */
  readonly loopP99Ms: number | null;
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
    loopP99Ms: [] as number[],
    counts: { requests: 0, bytes: 0 },
  }));
  for (let round = -1; round < rounds; round += 1) {
    for (const [index, way] of ways.entries()) {
      const before = { counts: await origin.counts(), processorMs: processorMsOfTree(way.pid) };
      const { elapsedMs, lacking, loopP99Ms } = await way.lookUp(origin.coldUrls(picture, lookupsARound), atOnce);
      const processorMs = processorMsOfTree(way.pid) - before.processorMs;
      const counts = await origin.counts();
      const { latenciesMs } = await way.lookUp(origin.coldUrls(picture, lookupsARound), 1);
      if (lacking > 0) throw new Error(`${way.name} did not tell what was asked for ${lacking} times`);
      if (round < 0) continue; // warm-up
      const one = found[index]!;
      one.rates.push(lookupsARound / (elapsedMs / 1000));
      one.latenciesMs.push(median(latenciesMs));
      one.processorMs.push(processorMs / lookupsARound);
      if (loopP99Ms !== null) one.loopP99Ms.push(loopP99Ms);
      one.counts.requests += counts.requests - before.counts.requests;
      one.counts.bytes += counts.bytes - before.counts.bytes;
    }
  }
  return found.map(({ counts, loopP99Ms, ...figures }) => ({
    ...figures,
    loopP99Ms: loopP99Ms.length > 0 ? median(loopP99Ms) : null,
    originRequests: counts.requests / (rounds * lookupsARound),
    originBytes: counts.bytes / (rounds * lookupsARound),
  }));
}

/** The most that a way and all below it have while they look up so many at once. Apart from {@link compare}: to look takes time. */
export async function peakMemory(
  way: Way,
  urls: readonly string[],
  atOnce: number,
): Promise<{ readonly bytes: number; readonly lacking: number }> {
  const watch = watchMemory(way.pid);
  const { lacking } = await way.lookUp(urls, atOnce);
  return { bytes: watch.stop(), lacking };
}

/** What the first is of the second, round by round. */
export function ratios(ours: readonly number[], theirs: readonly number[]): number[] {
  return ours.map((value, round) => value / theirs[round]!);
}
