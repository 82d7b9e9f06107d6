/** `npm run bench:misses`: cost of a cold lookup, compared with a naive implementation and with decoding only. */
import { request } from "undici";
import { startService } from "../test/support/service.ts";
import { megabytes, memoryOfTree, sum } from "./support/figures.ts";
import { printMachine } from "./support/machine.ts";
import { type PicturesOrigin, startPicturesOrigin } from "./support/pictures-origin.ts";
import { makePhotos, type Picture } from "./support/pictures.ts";
import { roundsOr } from "./support/rounds.ts";
import { median, printGoal, printTable, spread } from "./support/table.ts";
import {
  createDecodeLoopContender,
  createNaiveContender,
  createServiceContender,
  compare,
  peakMemory,
  ratios,
  type Contender,
} from "./support/contenders.ts";

const rounds = roundsOr(7);
const concurrency = 8;
const peakConcurrency = 64;
const peakLookups = 3 * peakConcurrency;
const hosts = 4; // the concurrency limit of one host is lower
const largeBytes = 1_000_000;
const stagedLookups = 120;
const stagedWarmUp = 40;

const pictures = await makePhotos();
const largest = pictures.at(-1)!;

/** Runs an action with a service that may fetch from this origin, and with the naive implementation. */
async function withBoth<Result>(
  origin: PicturesOrigin,
  act: (ours: Contender, naive: Contender) => Promise<Result>,
): Promise<Result> {
  const service = await startService(origin.allowed);
  const [ours, naive] = [createServiceContender(service), createNaiveContender()];
  try {
    return await act(ours, naive);
  } finally {
    for (const contender of [ours, naive]) await contender.stop();
    await service.stop();
  }
}

async function benchTime(): Promise<void> {
  const origin = await startPicturesOrigin(pictures);
  const found = await withBoth(origin, async (ours, naive) => {
    const comparisons = [];
    for (const picture of pictures) {
      const loop = await createDecodeLoopContender(picture);
      const [our, their, its] = await compare([ours, naive, loop], origin, picture, { rounds, concurrency });
      await loop.stop();
      comparisons.push({ picture, ours: our!, naive: their!, loop: its! });
    }
    return comparisons;
  });
  origin.stop();
  printTable(
    `Latency of sequential cold lookups, ms; ${rounds} alternating rounds: median (minimum – maximum)`,
    ["picture", "media-oracle", "fetch, sharp and blurhash", "ratio"],
    found.map(({ picture, ours, naive }) => [
      picture.name,
      spread(ours.latenciesMs, 1),
      spread(naive.latenciesMs, 1),
      spread(ratios(ours.latenciesMs, naive.latenciesMs), 2),
    ]),
  );
  printTable(
    `Cold lookups a second, ${concurrency} concurrent, compared with decoding only, from memory`,
    [
      "picture",
      "media-oracle",
      "decoding only",
      "ratio",
      "ratio of fetch, sharp and blurhash",
      "CPU for one lookup, ms",
      "decoding only, ms",
      "fetch, sharp and blurhash, ms",
    ],
    found.map(({ picture, ours, naive, loop }) => [
      picture.name,
      spread(ours.rates),
      spread(loop.rates),
      spread(ratios(ours.rates, loop.rates), 2),
      spread(ratios(naive.rates, loop.rates), 2),
      ...[ours, loop, naive].map(({ processorMs }) => spread(processorMs, 1)),
    ]),
  );
  console.log();
  for (const { picture, ours, naive } of found) {
    const atMost = picture.body.byteLength < largeBytes ? 1.1 : 1;
    const ratio = median(ratios(ours.latenciesMs, naive.latenciesMs));
    printGoal(`latency, ratio to naive, ${picture.name}`, ratio, { atMost });
  }
  for (const { picture, ours, loop } of found) {
    const ratio = median(ratios(ours.rates, loop.rates));
    printGoal(`throughput, ratio to decoding only, ${picture.name}`, ratio, { atLeast: 0.9 });
  }
}

const stages = ["queue", "fetch", "decode", "hash"];

/** Compares the service's own Server-Timing of sequential lookups with the caller's latency and with decoding only. */
async function benchStages(): Promise<void> {
  const origin = await startPicturesOrigin(pictures);
  const service = await startService(origin.allowed);
  const rows = [];
  for (const picture of pictures) {
    const times: Record<string, number>[] = [];
    for (const url of origin.coldUrls(picture, stagedLookups)) times.push(await timesOf(service.url, url));
    const loop = await createDecodeLoopContender(picture);
    const { latenciesMs } = await loop.lookUp(origin.coldUrls(picture, stagedLookups), 1);
    await loop.stop();
    const medianOf = (stage: string) => median(times.slice(stagedWarmUp).map((each) => each[stage] ?? 0)).toFixed(1);
    rows.push([picture.name, ...[...stages, "rest", "total"].map(medianOf), median(latenciesMs).toFixed(1)]);
  }
  await service.stop();
  origin.stop();
  printTable("Time of one lookup by stage, ms, median", ["picture", ...stages, "rest", "total", "decoding only"], rows);
}

async function timesOf(serviceUrl: string, url: string): Promise<Record<string, number>> {
  const started = performance.now();
  const { headers, body } = await request(new URL("/metadata", serviceUrl), {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ url }),
  });
  await body.dump();
  const total = performance.now() - started;
  const timings = String(headers["server-timing"]).matchAll(/(\w+);dur=([\d.]+)/g);
  const times = Object.fromEntries([...timings].map(([, stage, took]) => [stage, Number(took)] as const));
  const known: Record<string, number> = { ...times, total };
  return { ...known, rest: total - sum(Object.values(times)) };
}

async function benchMemory(picture: Picture): Promise<void> {
  const origin = await startPicturesOrigin([picture], { hosts });
  const found = await withBoth(origin, async (...contenders) => {
    const memory = [];
    for (const contender of contenders) {
      await contender.lookUp(origin.coldUrls(picture, 1), 1); // warm-up: loads libraries
      const idle = memoryOfTree(contender.pid);
      const { bytes, incomplete } = await peakMemory(contender, origin.coldUrls(picture, peakLookups), peakConcurrency);
      memory.push({ name: contender.name, idle, peak: bytes, described: peakLookups - incomplete });
    }
    return memory;
  });
  origin.stop();
  printTable(
    `Memory of all processes, ${peakConcurrency} concurrent cold lookups of ${picture.name}, MB`,
    ["", "idle", "peak", `described of ${peakLookups}`],
    found.map(({ name, idle, peak, described }) => [name, megabytes(idle), megabytes(peak), String(described)]),
  );
  const [ours, naive] = found;
  console.log();
  printGoal("peak memory, ratio to naive", ours!.peak / naive!.peak, { atMost: 0.5 });
}

printMachine();
await benchTime();
await benchStages();
await benchMemory(largest);
