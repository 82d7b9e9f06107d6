/** Contenders of the benchmarks: the service, and other implementations of the same lookup. */
import { availableParallelism } from "node:os";
import { Pool } from "undici";
import { type Service, whenListening } from "../../test/support/service.ts";
import type { DecodeLoopPicture } from "./decode-loop.ts";
import { processorMsOfTree, watchMemory } from "./figures.ts";
import { loopDelayMs, type LookupsCommand, type LookupsReply, timeLookups } from "./lookups.ts";
import type { PicturesOrigin } from "./pictures-origin.ts";
import type { Picture } from "./pictures.ts";
import { compilePrograms, startPlainNode } from "./plain-node.ts";
import { startHelper } from "./processes.ts";
import type { Server } from "./servers.ts";
import { median } from "./table.ts";

export interface Contender {
  readonly name: string;
  /** CPU time and memory are measured for this process and all its descendants. */
  readonly pid: number;
  lookUp(urls: readonly string[], concurrency: number): Promise<LookupsReply>;
  stop(): Promise<void>;
}

interface HttpContender {
  readonly name: string;
  readonly pid: number;
  readonly url: string;
  readonly requestFor: (url: string) => { readonly path: string; readonly body?: string };
  /** Whether the answer has the requested metadata; a 503 has not. */
  readonly isAnswer: (answer: unknown) => boolean;
}

/** A contender that sends one HTTP request for each URL. */
function createHttpContender({ name, pid, url, requestFor, isAnswer }: HttpContender): Contender {
  // Not `fetch`: its 1.5 ms of CPU time a request would compete with the server under test.
  const pool = new Pool(url);
  const lookUp = async (url: string) => {
    const { path, body } = requestFor(url);
    const options = body === undefined ? ({ method: "GET" } as const) : ({ method: "POST", headers, body } as const);
    const reply = await pool.request({ path, ...options });
    const answer = await reply.body.json();
    if (reply.statusCode === 200 || reply.statusCode === 503) return isAnswer(answer);
    throw new Error(`${name} returned no metadata: ${reply.statusCode} ${JSON.stringify(answer)}`);
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

/** Sends `POST /metadata` for each URL; returns the latencies, in milliseconds. */
export function createHttpLookups(serviceUrl: string) {
  const pool = new Pool(serviceUrl);
  return {
    async lookUp(urls: readonly string[], concurrency: number): Promise<readonly number[]> {
      const { latenciesMs } = await timeLookups(urls, concurrency, async (url) => {
        const body = JSON.stringify({ url });
        const reply = await pool.request({ path: "/metadata", method: "POST", headers, body });
        await reply.body.dump();
        return reply.statusCode === 200;
      });
      return latenciesMs;
    },
    close: () => pool.close(),
  };
}

/** The service; with `fields`, only these are requested. */
export function createServiceContender({ url, process }: Service, fields?: readonly string[]): Contender {
  const contender = createHttpContender({
    name: fields ? `media-oracle, ${fields.join(", ")}` : "media-oracle",
    pid: process.pid!,
    url,
    requestFor: (url) => ({ path: "/metadata", body: JSON.stringify({ url, fields }) }),
    isAnswer: (answer) => Boolean((answer as Record<string, unknown>)[fields ? "width" : "blurhash"]),
  });
  return {
    ...contender,
    async lookUp(urls, concurrency) {
      await loopP99MsOf(url); // resets the statistics
      return { ...(await contender.lookUp(urls, concurrency)), loopP99Ms: await loopP99MsOf(url) };
    },
  };
}

/** Returns the p99 lag of the service's event loop since the previous call. */
export async function loopP99MsOf(url: string): Promise<number> {
  const metrics = await (await fetch(`${url}/metrics`)).text();
  return loopDelayMs(Number(/^nodejs_eventloop_lag_p99_seconds (\S+)$/m.exec(metrics)?.[1]));
}

/** iframely, which returns type and dimensions of a picture. */
export function createIframelyContender({ url, pid }: Server): Contender {
  return createHttpContender({
    name: "iframely",
    pid,
    url,
    requestFor: (url) => ({ path: `/iframely?url=${encodeURIComponent(url)}` }),
    isAnswer: (answer) => JSON.stringify(answer).includes('"width"'),
  });
}

/** A contender in its own process: `bench/support/PROGRAM.ts`. */
export function createProcessContender(name: string, program: string): Contender {
  const helper = startHelper<LookupsCommand, LookupsReply>(program);
  return {
    name,
    pid: helper.pid,
    lookUp: (urls, concurrency) => helper.send({ urls, concurrency }),
    stop: () => Promise.resolve(helper.stop()),
  };
}

/** `fetch`, sharp and npm `blurhash` in one process, behind the same HTTP interface. */
export async function createNaiveContender(): Promise<Contender> {
  const server = await whenListening(startPlainNode([compilePrograms("naive-server", "naive-lookup")]));
  const contender = createHttpContender({
    name: "fetch, sharp and blurhash",
    pid: server.process.pid!,
    url: server.url,
    requestFor: (url) => ({ path: "/metadata", body: JSON.stringify({ url }) }),
    isAnswer: (answer) => Boolean((answer as Record<string, unknown>).blurhash),
  });
  return { ...contender, stop: () => contender.stop().then(() => void server.process.kill("SIGKILL")) };
}

/** Baseline of decoding only: decodes the picture from memory, with at most one decode for each processor. */
export async function createDecodeLoopContender({ body, width, height }: Picture, threads = 1): Promise<Contender> {
  const helper = startHelper<DecodeLoopPicture | LookupsCommand, LookupsReply>("decode-loop");
  await helper.send({ picture: body.toString("base64"), width, height, threads });
  return {
    name: "decoding only",
    pid: helper.pid,
    lookUp: (urls, concurrency) => helper.send({ urls, concurrency: Math.min(concurrency, availableParallelism()) }),
    stop: () => Promise.resolve(helper.stop()),
  };
}

/** Measurements of one contender; arrays have one value for each round. */
export interface Comparison {
  readonly rates: number[];
  /** Median latency of sequential lookups. */
  readonly latenciesMs: number[];
  readonly processorMs: number[];
  /** Null if it is not known. */
  readonly loopP99Ms: number | null;
  readonly originRequests: number;
  readonly originBytes: number;
}

export interface CompareOptions {
  readonly rounds: number;
  readonly concurrency: number;
}

/**
 * Measures cold lookups of a picture by all contenders, concurrent and sequential, in alternating rounds. The figures are for
 * one lookup.
 */
export async function compare(
  contenders: readonly Contender[],
  origin: PicturesOrigin,
  picture: Picture,
  { rounds, concurrency }: CompareOptions,
): Promise<Comparison[]> {
  const { lookupsARound } = picture;
  const found = contenders.map(() => ({
    rates: [] as number[],
    latenciesMs: [] as number[],
    processorMs: [] as number[],
    loopP99Ms: [] as number[],
    counts: { requests: 0, bytes: 0 },
  }));
  for (let round = -1; round < rounds; round += 1) {
    for (const [index, contender] of contenders.entries()) {
      const before = { counts: await origin.counts(), processorMs: processorMsOfTree(contender.pid) };
      const { elapsedMs, incomplete, loopP99Ms } = await contender.lookUp(
        origin.coldUrls(picture, lookupsARound),
        concurrency,
      );
      const processorMs = processorMsOfTree(contender.pid) - before.processorMs;
      const counts = await origin.counts();
      const { latenciesMs } = await contender.lookUp(origin.coldUrls(picture, lookupsARound), 1);
      if (incomplete > 0) throw new Error(`${contender.name} lacked the requested metadata in ${incomplete} answers`);
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

/**
 * Returns the peak memory of a contender and its descendants during concurrent lookups. Separate from {@link compare}, because
 * sampling takes CPU time.
 */
export async function peakMemory(
  contender: Contender,
  urls: readonly string[],
  concurrency: number,
): Promise<{ readonly bytes: number; readonly incomplete: number }> {
  const watch = watchMemory(contender.pid);
  const { incomplete } = await contender.lookUp(urls, concurrency);
  return { bytes: watch.stop(), incomplete };
}

/** Divides the values of two contenders round by round. */
export function ratios(ours: readonly number[], theirs: readonly number[]): number[] {
  return ours.map((value, round) => value / theirs[round]!);
}
