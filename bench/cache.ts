/** `npm run bench:cache`: cost of the in-memory cache, of Redis and of the cache file, and the origin requests that they save. */
import { mkdtempSync, rmSync, statSync } from "node:fs";
import { cpus, tmpdir } from "node:os";
import { join } from "node:path";
import { monitorEventLoopDelay } from "node:perf_hooks";
import { Pool, request } from "undici";
import { createMemory } from "../src/cache/memory.ts";
import { createSnapshot } from "../src/cache/snapshot.ts";
import { entryAt, keyNumber } from "../test/support/entries.ts";
import { type Balancer, startBalancer } from "../test/support/nginx.ts";
import { startRedis } from "../test/support/redis.ts";
import { type Replicas, startReplicas } from "../test/support/replicas.ts";
import type { Service } from "../test/support/service.ts";
import { megabytes, memoryOfTree, sum } from "./support/figures.ts";
import { requestRate } from "./support/load.ts";
import { timeLookups } from "./support/lookups.ts";
import { printMachine } from "./support/machine.ts";
import { type PicturesOrigin, startPicturesOrigin } from "./support/pictures-origin.ts";
import { makePictures, type Picture } from "./support/pictures.ts";
import { replay } from "./support/replay.ts";
import { median, printTable, quantile, spread } from "./support/table.ts";

const rounds = 5;
const durationMs = 2000;
const connections = 36;
const urlCount = 500;
const maxReplicas = 4;
const urlsOfReplicas = 200;
const timesAsked = 3;
const missConcurrency = 8;

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

/** Measures one to four replicas without Redis, each number of them behind an nginx of its own with the shipped configuration. */
async function benchReplicas(origin: PicturesOrigin, picture: Picture): Promise<void> {
  const { running } = await startReplicas(later, maxReplicas, origin.allowed);
  const groups = Array.from({ length: maxReplicas }, (_, index) => running.slice(0, index + 1));
  const rows: string[][] = [];
  const balancers = await Promise.all(groups.map((group) => startBalancer(later, group)));
  const bodies = balancers.map(() =>
    origin.coldUrls(picture, urlsOfReplicas).map((url) => JSON.stringify({ url, deadlineMs: 30_000 })),
  );
  const before = running.map(({ process }) => memoryOfTree(process.pid!));
  const missRates: number[] = [];
  const requests: number[] = [];
  for (const [index, balancer] of balancers.entries()) {
    const countBefore = (await origin.counts()).requests;
    const first = await timeLookups(bodies[index]!, missConcurrency, (body) => post(balancer.url, body));
    missRates.push(urlsOfReplicas / (first.elapsedMs / 1000));
    for (let time = 1; time < timesAsked; time += 1) {
      await timeLookups(bodies[index]!, missConcurrency, (body) => post(balancer.url, body));
    }
    requests.push((await origin.counts()).requests - countBefore);
  }
  const rates = balancers.map(() => [] as number[]);
  for (let round = 0; round < rounds; round += 1) {
    for (const [index, balancer] of balancers.entries()) rates[index]!.push(await hitRate(balancer, bodies[index]!));
  }
  for (const [index, group] of groups.entries()) {
    const memory = sum(group.map(({ process }) => memoryOfTree(process.pid!)));
    rows.push([
      String(group.length),
      spread(rates[index]!),
      (median(rates[index]!) / median(rates[0]!)).toFixed(2),
      missRates[index]!.toFixed(0),
      `${requests[index]!} of ${urlsOfReplicas * timesAsked}`,
      megabytes(memory),
    ]);
  }
  printTable(
    `Replicas behind nginx with deploy/nginx/media-oracle.conf, ${cpus().length} processors shared by replicas, nginx and callers; ${rounds} alternating rounds: median (minimum – maximum)`,
    [
      "replicas",
      "hits a second",
      "ratio to one",
      "lookups a second, once",
      "origin requests",
      "memory of all replicas, MB",
    ],
    rows,
  );
  console.log(`\none more replica at rest, before its first lookup: ${megabytes(median(before))} MB`);
}

/** Sends as many different requests at the same time as there are connections: nginx spreads them over the replicas by URL. */
async function hitRate({ url }: Balancer, bodies: readonly string[]): Promise<number> {
  const target = new URL("/metadata", url);
  const rates = bodies
    .slice(0, connections)
    .map((body) => requestRate({ url: target, body, connections: 1, durationMs }));
  return sum(await Promise.all(rates));
}

async function post(url: string, body: string): Promise<void> {
  const headers = { "content-type": "application/json" };
  const reply = await request(new URL("/metadata", url), { method: "POST", headers, body });
  await reply.body.dump();
  if (reply.statusCode !== 200) throw new Error(`no description: ${reply.statusCode}`);
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
  const replicas = await startReplicas(later, 2, { REDIS_URL: redis.url });
  const url = origin.coldUrl(picture!);
  await benchLatency(replicas, url);
  await benchReplicas(origin, picture!);
  await benchReplay();
  await benchSnapshot();
} finally {
  for (const cleanUp of cleanUps) await cleanUp();
}
