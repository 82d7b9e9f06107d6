/** `npm run bench:cache`: cost of the in-memory cache, of Redis and of the cache file, and the origin requests that they save. */
import { mkdtempSync, rmSync, statSync } from "node:fs";
import { cpus, tmpdir } from "node:os";
import { join } from "node:path";
import { monitorEventLoopDelay } from "node:perf_hooks";
import { Pool } from "undici";
import { createMemory } from "../src/cache/memory.ts";
import { createSnapshot } from "../src/cache/snapshot.ts";
import { entryAt, keyNumber } from "../test/support/entries.ts";
import { startRedis } from "../test/support/redis.ts";
import { type Replicas, startReplicas } from "../test/support/replicas.ts";
import type { Service } from "../test/support/service.ts";
import { megabytes } from "./support/figures.ts";
import { requestRate } from "./support/load.ts";
import { printMachine } from "./support/machine.ts";
import { startPicturesOrigin } from "./support/pictures-origin.ts";
import { makePictures } from "./support/pictures.ts";
import { replay } from "./support/replay.ts";
import { median, printTable, quantile, spread } from "./support/table.ts";

const rounds = 5;
const durationMs = 2000;
const connections = 36;
const urlCount = 500;

const cleanUps: (() => void | Promise<void>)[] = [];
const later = (cleanUp: () => void | Promise<void>) => void cleanUps.unshift(cleanUp);

/** Sends requests one after the other; returns the latency of each in milliseconds. */
async function latenciesOf(service: Service, urls: readonly string[]): Promise<number[]> {
  const pool = new Pool(service.url, { connections: 1 });
  const latencies: number[] = [];
  for (const url of urls) {
    const began = performance.now();
    const headers = { "content-type": "application/json" };
    const { statusCode, body } = await pool.request({
      method: "POST",
      path: "/metadata",
      headers,
      body: JSON.stringify({ url }),
    });
    await body.dump();
    latencies.push(performance.now() - began);
    if (statusCode !== 200) throw new Error(`no description: ${statusCode}`);
  }
  await pool.close();
  return latencies;
}

async function benchLatency({ running }: Replicas, origin: string): Promise<void> {
  const [one, two] = running;
  const urls = Array.from({ length: urlCount }, (_, n) => `${origin}/${n}.jpg`);
  const warmUp = urls.map((url) => `${url}?warm-up`);
  for (const service of [one!, two!]) await latenciesOf(service, warmUp);
  const cold = await latenciesOf(one!, urls);
  const shared = await latenciesOf(two!, urls);
  const memory = await latenciesOf(two!, urls);
  const row = (name: string, values: number[]) => [
    name,
    ...[0.5, 0.95, 0.99].map((share) => quantile(values, share).toFixed(2)),
  ];
  printTable(
    `${urlCount} sequential requests, ms`,
    ["answered from", "median", "p95", "p99"],
    [row("the process's memory", memory), row("Redis", shared), row("the origin, on this machine", cold)],
  );
}

async function benchThroughput({ running }: Replicas, url: string): Promise<void> {
  const body = JSON.stringify({ url });
  const rate = async (services: readonly Service[]) => {
    const rates = services.map(({ url }) =>
      requestRate({ url: new URL("/metadata", url), body, connections: connections / services.length, durationMs }),
    );
    return (await Promise.all(rates)).reduce((sum, rate) => sum + rate, 0);
  };
  const counts = [1, 2, 3];
  const rates = new Map(counts.map((count) => [count, [] as number[]]));
  await rate(running); // warm-up
  for (let round = 0; round < rounds; round += 1) {
    for (const count of counts) rates.get(count)!.push(await rate(running.slice(0, count)));
  }
  printTable(
    `Cache hits a second, ${cpus().length} processors shared by replicas and callers, ${rounds} alternating rounds: median (minimum – maximum)`,
    ["replicas", "responses a second", "ratio to one replica"],
    counts.map((count) => [
      String(count),
      spread(rates.get(count)!),
      (median(rates.get(count)!) / median(rates.get(1)!)).toFixed(2),
    ]),
  );
}

async function benchReplay(): Promise<void> {
  const options = { urls: 5000, messages: 100_000, hours: 24 };
  const [plain, ours] = [await replay("plain", options), await replay("ours", options)];
  const counts = (figures: typeof ours) => [figures.requests, figures.bodies, figures.decodes, figures.waited];
  const saved = counts(ours).map((count, column) => `${(100 * (1 - count / counts(plain)[column]!)).toFixed(0)} %`);
  printTable(
    `${ours.calls} requests in a day for ${options.urls} URLs (Zipf), in process with a virtual clock`,
    ["cache", "origin requests", "bodies fetched", "decodes", "requests that waited"],
    [
      ["a map with the same TTLs", ...counts(plain).map(String)],
      ["media-oracle's", ...counts(ours).map(String)],
      ["saved", ...saved],
    ],
  );
}

async function benchSnapshot(): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), "media-oracle-bench-"));
  later(() => rmSync(folder, { recursive: true }));
  const file = join(folder, "cache");
  const maxBytes = 64 * 1024 ** 2;
  const memory = createMemory(maxBytes);
  for (let n = 0; n < 40_000; n += 1) memory.set(keyNumber(n), entryAt(Date.now()));
  const snapshot = createSnapshot({ file, memory, maxBytes, now: Date.now });
  const delay = monitorEventLoopDelay({ resolution: 1 });
  const [saveMs, loopMs, loadMs]: number[][] = [[], [], []];
  for (let round = 0; round < rounds; round += 1) {
    delay.reset();
    delay.enable();
    let began = performance.now();
    await snapshot.save();
    saveMs!.push(performance.now() - began);
    delay.disable();
    loopMs!.push(delay.max / 1e6);
    began = performance.now();
    await snapshot.load();
    loadMs!.push(performance.now() - began);
  }
  printTable(
    `Cache file of a full cache of 64 MiB, ${rounds} rounds: median (minimum – maximum)`,
    ["entries", "file, MB", "write, ms", "longest block of the event loop, ms", "read, ms"],
    [
      [
        String([...memory.entries()].length),
        megabytes(statSync(file).size),
        spread(saveMs!),
        spread(loopMs!, 1),
        spread(loadMs!),
      ],
    ],
  );
}

try {
  printMachine();
  const [picture] = await makePictures();
  const origin = await startPicturesOrigin([picture!]);
  later(() => origin.stop());
  const redis = await startRedis(later);
  const replicas = await startReplicas(later, 3, { REDIS_URL: redis.url });
  const url = origin.coldUrl(picture!);
  await benchLatency(replicas, url);
  await benchThroughput(replicas, `${url}/0.jpg`);
  await benchReplay();
  await benchSnapshot();
} finally {
  for (const cleanUp of cleanUps) await cleanUp();
}
