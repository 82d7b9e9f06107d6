import { setTimeout as sleep } from "node:timers/promises";
import { Pool } from "undici";
import { createResolver } from "../../src/fetch/resolver.ts";
import { createFetcher } from "../../test/support/fetch.ts";
import { startNameServer } from "../../test/support/name-server.ts";
import { type Service, startService } from "../../test/support/service.ts";
import { descriptorsOf, memoryOf } from "./figures.ts";
import { type Helper, startHelper } from "./processes.ts";
import type { StormOriginCommand, StormOrigins } from "./storm-origin.ts";
import { quantile } from "./table.ts";

/** Measurements of the service under load from hostile origins. */
export interface StormFigures {
  /** Number of lookups by outcome: a failure code, the warnings, or `described`. */
  readonly ends: Readonly<Record<string, number>>;
  /** Latency of the slowest lookup, measured by the caller. */
  readonly slowestMs: number;
  /** Time of the longest fetch past the deadline, by the service's `Server-Timing`, which starts at the request. */
  readonly lateMs: number;
  /** Peak memory of the service process, less its memory before. */
  readonly memoryGrowthBytes: number;
  readonly descriptorsBefore: number;
  readonly descriptorsAfter: number;
  /** Latencies of concurrent cold lookups of a small picture on another host. */
  readonly healthyMs: readonly number[];
  /** Number of these lookups without status 200. */
  readonly healthyFailed: number;
}

export interface Storm {
  readonly service: Service;
  readonly origins: StormOrigins;
  /** Requests this number of different URLs of each origin concurrently, and healthy URLs one by one at the same time. */
  rage(names: readonly (keyof StormOrigins)[], countOfEach: number): Promise<StormFigures>;
  stop(): Promise<void>;
}

interface End {
  readonly end: string;
  readonly elapsedMs: number;
  /** 0 if the service does not report it. */
  readonly fetchMs: number;
}

export const stormDeadlineMs = 5000;

const sampleEveryMs = 25;
const settleMs = 10_000; // maximum time until the last descriptor is closed

/** Returns the time of queueing and fetching from a header such as `queue;dur=0.1, fetch;dur=12.3`. */
function fetchMsOf(serverTiming: string): number {
  return [...serverTiming.matchAll(/\b(?:queue|fetch);dur=([\d.]+)/g)].reduce((sum, [, ms]) => sum + Number(ms), 0);
}

/** Starts the built program with concurrency limits for thousands of fetches, and the origins in another process. */
export async function startStorm(): Promise<Storm> {
  const helper: Helper<{ command: StormOriginCommand }, StormOrigins> = startHelper("storm-origin");
  const origins = await helper.send({ command: "listen" });
  const service = await startService({
    ALLOW_ADDRESSES: "127.0.0.0/8",
    ALLOW_PORTS: "1-65535",
    FETCH_TIMEOUT_MS: String(stormDeadlineMs),
    FETCH_CONCURRENCY: "2000",
    PER_HOST: "2000",
  });
  const pid = service.process.pid!;
  let number = 0;

  async function end(pool: Pool, url: string): Promise<End> {
    const began = performance.now();
    const body = JSON.stringify({ url: `${url}/${(number += 1)}` });
    const headers = { "content-type": "application/json" };
    const reply = await pool.request({ method: "POST", path: "/metadata", headers, body });
    const answer = (await reply.body.json()) as { code?: string; warnings?: string[] };
    const [warnings = ""] = [answer.warnings?.join(" ")];
    return {
      end: answer.code ?? (warnings === "" ? "described" : warnings),
      elapsedMs: performance.now() - began,
      fetchMs: fetchMsOf(String(reply.headers["server-timing"] ?? "")),
    };
  }

  async function rage(names: readonly (keyof StormOrigins)[], countOfEach: number): Promise<StormFigures> {
    const urls = names.flatMap((name) => Array.from({ length: countOfEach }, () => origins[name]));
    const healthyPool = new Pool(service.url, { connections: 1 });
    for (let time = 0; time < 20; time += 1) await end(healthyPool, origins.healthy); // warm-up
    const descriptorsBefore = descriptorsOf(pid);
    const pool = new Pool(service.url, { connections: urls.length });
    // Open the connections first, so that the latencies do not include connecting.
    await Promise.all(urls.map(async () => (await pool.request({ method: "GET", path: "/healthz" })).body.dump()));
    const memoryBefore = memoryOf(pid);
    let peakMemory = memoryBefore;
    const sampler = setInterval(() => (peakMemory = Math.max(peakMemory, memoryOf(pid))), sampleEveryMs);

    const over = new AbortController();
    const healthy: Promise<End[]> = (async () => {
      const ends = [];
      while (!over.signal.aborted) {
        ends.push(await end(healthyPool, origins.healthy));
        await sleep(sampleEveryMs);
      }
      return ends;
    })();
    const all = await Promise.all(urls.map((url) => end(pool, url)));
    over.abort();
    const healthyEnds = await healthy;
    clearInterval(sampler);
    await pool.close();
    for (let waited = 0; descriptorsOf(pid) > descriptorsBefore && waited < settleMs; waited += sampleEveryMs) {
      await sleep(sampleEveryMs);
    }
    const descriptorsAfter = descriptorsOf(pid);
    await healthyPool.close();

    const ends: Record<string, number> = {};
    for (const each of all) ends[each.end] = (ends[each.end] ?? 0) + 1;
    const described = healthyEnds.filter((each) => each.end === "described");
    return {
      ends,
      slowestMs: Math.max(...all.map(({ elapsedMs }) => elapsedMs)),
      lateMs: Math.max(0, ...all.map(({ fetchMs }) => fetchMs - stormDeadlineMs)),
      memoryGrowthBytes: peakMemory - memoryBefore,
      descriptorsBefore,
      descriptorsAfter,
      healthyMs: described.map(({ elapsedMs }) => elapsedMs),
      healthyFailed: healthyEnds.length - described.length,
    };
  }

  return {
    service,
    origins,
    rage,
    async stop() {
      await service.stop();
      helper.stop();
    },
  };
}

export interface SilentNamesFigures {
  /** p95 of fetching a healthy URL by name, without other load. */
  readonly aloneMs: number;
  /** The same during the lookups of silent names. */
  readonly besideMs: number;
  readonly silent: number;
}

const connectTimeoutMs = 3000;
const samples = 60;

/** Measures fetches of healthy names while lookups of `count` names wait for a silent name server. Runs in this process. */
export async function waitForSilentNames(count: number, healthyUrl: string): Promise<SilentNamesFigures> {
  const cleanUps: (() => void)[] = [];
  const nameServer = await startNameServer(
    (cleanUp) => cleanUps.push(cleanUp),
    (name, family) => (name.startsWith("silent") ? null : family === "A" ? ["127.0.0.1"] : []),
  );
  const resolve = createResolver({ timeoutMs: connectTimeoutMs, servers: nameServer.servers });
  const { outcome } = createFetcher({ resolve, connectTimeoutMs });
  const { port } = new URL(healthyUrl);
  const healthyP95 = async () => {
    const elapsed: number[] = [];
    for (let sample = 0; sample < samples; sample += 1) {
      const began = performance.now();
      const end = await outcome(`http://healthy.example.net:${port}/${sample}`);
      if (end !== "ok") throw new Error(`a healthy name ended as ${end}`);
      elapsed.push(performance.now() - began);
    }
    return quantile(elapsed, 0.95);
  };
  await healthyP95(); // warm-up
  const aloneMs = await healthyP95();
  const silent = Array.from({ length: count }, (_, index) => outcome(`http://silent-${index}.example.net:${port}/`));
  while (nameServer.questions < 4 * samples + count) await sleep(sampleEveryMs);
  const besideMs = await healthyP95();
  const ends = await Promise.all(silent);
  for (const cleanUp of cleanUps) cleanUp();
  return { aloneMs, besideMs, silent: ends.filter((end) => end.startsWith("source_unreachable")).length };
}
