/** `npm run bench:memory`: memory of each process at rest and after work, compared with a naive implementation. */
import { setTimeout as after } from "node:timers/promises";
import { type CacheKind, kinds, measureCacheGrowth } from "../test/support/cache-kinds.ts";
import { type Service, startService, whenListening } from "../test/support/service.ts";
import { createHttpLookups } from "./support/contenders.ts";
import { memoryPartsOf, processorMsOf, treeOf, sum } from "./support/figures.ts";
import { printMachine } from "./support/machine.ts";
import { type PicturesOrigin, startPicturesOrigin } from "./support/pictures-origin.ts";
import { makePhotos, type Picture } from "./support/pictures.ts";
import { compilePrograms, startPlainNode } from "./support/plain-node.ts";
import { printGoal, printTable } from "./support/table.ts";

const settleMs = 2_000; // ends the work that follows a start or a request
const restMs = 75_000; // a minute, and the health checks behind it
const concurrency = 16;
const burstLookups = 200;
const hits = 2_000;
const cacheBytes = 64 * 1024 ** 2; // the default
const hosts = 4; // the concurrency limit of one host is lower

interface Row {
  readonly state: string;
  /** Of each process, the service's own first. */
  readonly parts: readonly { readonly bytes: number; readonly ownBytes: number; readonly processorMs: number }[];
}

const rowOf = (state: string, pid: number): Row => ({
  state,
  parts: treeOf(pid).map((each) => ({ ...memoryPartsOf(each), processorMs: processorMsOf(each) })),
});

async function benchBare(): Promise<Row[]> {
  const programs = {
    "bare node": "setInterval(() => {}, 1e6)",
    "node:http, no request": "http.createServer(() => {}).listen(0, '127.0.0.1')",
  };
  const rows: Row[] = [];
  for (const [name, program] of Object.entries(programs)) {
    const child = startPlainNode(["--eval", program]);
    await after(settleMs);
    rows.push(rowOf(name, child.pid!));
    child.kill();
  }
  return rows;
}

/** Measures a service in the states of its life. */
async function measureLife(name: string, service: Service, origin: PicturesOrigin, photos: readonly Picture[]) {
  const pid = service.process.pid!;
  const rows: Row[] = [];
  const note = async (state: string, waitMs = settleMs) => {
    await after(waitMs);
    rows.push(rowOf(`${name}, ${state}`, pid));
  };
  const client = createHttpLookups(service.url);
  const [photo] = photos as [Picture];
  await note("after the start");
  await client.lookUp([origin.coldUrl(photo)], 1);
  await note("after one lookup");
  const known = origin.coldUrl(photo);
  await client.lookUp(
    Array.from({ length: hits }, () => known),
    concurrency,
  );
  await note(`after ${hits} requests for one URL`);
  const cold = Array.from({ length: burstLookups }, (_, index) => origin.coldUrl(photos[index % photos.length]!));
  await client.lookUp(cold, concurrency);
  await note(`after ${burstLookups} lookups, ${concurrency} concurrent`);
  await note("after a minute's rest", restMs);
  const before = treeOf(pid);
  const [firstMs] = await client.lookUp([origin.coldUrl(photo)], 1);
  await client.close();
  return { rows, rest: rows.at(-1)!, firstMs: firstMs!, isSameWorker: before.join() === treeOf(pid).join() };
}

const megabytes = (bytes: number) => (bytes / 1e6).toFixed(1);

function print(rows: readonly Row[]): void {
  printTable(
    "Memory, MB: proportional set size of all processes (PSS: a shared page counts in parts); of them anonymous pages",
    ["state", "processes", "PSS", "anonymous", "PSS of each process", "CPU of each since its start, ms"],
    rows.map(({ state, parts }) => [
      state,
      String(parts.length),
      megabytes(sum(parts.map(({ bytes }) => bytes))),
      megabytes(sum(parts.map(({ ownBytes }) => ownBytes))),
      parts.map(({ bytes }) => megabytes(bytes)).join(" + "),
      parts.map(({ processorMs }) => String(processorMs)).join(" + "),
    ]),
  );
}

/** Fills a cache of the default size with entries of each kind; returns the largest ratio to the setting. */
async function benchCache(): Promise<number> {
  const rows: string[][] = [];
  const ratios: number[] = [];
  for (const kind of Object.keys(kinds) as CacheKind[]) {
    const { growthBytes, ratio } = await measureCacheGrowth(cacheBytes, kind);
    rows.push([kind, megabytes(growthBytes), ratio.toFixed(2)]);
    ratios.push(ratio);
  }
  printTable(
    `Growth of the heap by a full cache of ${cacheBytes / 1024 ** 2} MiB (MEDIA_ORACLE_CACHE_BYTES)`,
    ["entries", "growth, MB", "ratio to the setting"],
    rows,
  );
  return Math.max(...ratios);
}

printMachine();
const largestRatio = await benchCache();
const photos = await makePhotos();
const origin = await startPicturesOrigin(photos, { hosts });
const rows = await benchBare();
const service = await startService(origin.allowed);
const ours = await measureLife("media-oracle", service, origin, photos);
await service.stop();
const naive = await whenListening(startPlainNode([compilePrograms("naive-server", "naive-lookup")]));
const theirs = await measureLife("fetch, sharp and blurhash", naive, origin, photos);
naive.process.kill("SIGKILL");
origin.stop();
print([...rows, ...ours.rows, ...theirs.rows]);
console.log(
  `\nFirst lookup after the rest: ${ours.firstMs.toFixed(0)} ms, by the warm worker: ${String(ours.isSameWorker)}`,
);
printGoal("memory at rest, MB", sum(ours.rest.parts.map(({ bytes }) => bytes)) / 1e6, { atMost: 110 }, 1);
printGoal("first lookup after a rest, ms", ours.firstMs, { atMost: 100 }, 0);
printGoal("full cache, ratio to the setting", largestRatio, { atMost: 1.3 });
