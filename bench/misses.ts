/** `npm run bench:misses`: cost of a lookup that is not cached, compared with a naive implementation behind the same interface. */
import { request } from "undici";
import { startService } from "../test/support/service.ts";
import { megabytes, memoryOfTree, sum } from "./support/figures.ts";
import { printMachine } from "./support/machine.ts";
import { type PicturesOrigin, startPicturesOrigin } from "./support/pictures-origin.ts";
import { makeUploads, type Picture } from "./support/pictures.ts";
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
const warmUpLookups = 500; // V8 optimizes a function after some hundred calls
const starts = 5;
const lookupsAfterStart = 100;
const peakConcurrency = 64;
const peakLookups = 3 * peakConcurrency;
const hosts = 4; // the concurrency limit of one host is lower
const cameraBytes = 1_000_000; // a larger photo has no goal: nearly all of its time is the decoder's
const stagedLookups = 120;
const stagedWarmUp = 40;

const pictures = await makeUploads();
const largest = pictures.at(-1)!;

/** Runs an action with a service that may fetch from this origin, and with the naive implementation. */
async function withBoth<Result>(
  origin: PicturesOrigin,
  act: (ours: Contender, naive: Contender) => Promise<Result>,
): Promise<Result> {
  const service = await startService(origin.allowed);
  const [ours, naive] = [createServiceContender(service), await createNaiveContender()];
  try {
    return await act(ours, naive);
  } finally {
    for (const contender of [ours, naive]) await contender.stop();
    await service.stop();
  }
}

/** Measures the first lookups of new processes, in turn. */
async function benchStart(): Promise<void> {
  const picture = pictures[2]!;
  const origin = await startPicturesOrigin([picture]);
  const found = new Map<string, number[][]>();
  for (let start = 0; start < starts; start += 1) {
    await withBoth(origin, async (...contenders) => {
      for (const contender of contenders) {
        const { latenciesMs } = await contender.lookUp(origin.coldUrls(picture, lookupsAfterStart), 1);
        found.set(contender.name, [...(found.get(contender.name) ?? []), latenciesMs]);
      }
    });
  }
  origin.stop();
  const parts = [
    { name: "first", from: 0, to: 1 },
    { name: "second", from: 1, to: 2 },
    { name: "3 to 10", from: 2, to: 10 },
    { name: "11 to 50", from: 10, to: 50 },
    { name: "51 to 100", from: 50, to: 100 },
  ];
  const latencies = (name: string) =>
    parts.map(({ from, to }) => found.get(name)!.map((latenciesMs) => median(latenciesMs.slice(from, to))));
  printTable(
    `Latency of the first ${lookupsAfterStart} lookups after a start, ms, ${picture.name}; ${starts} starts: median (minimum – maximum)`,
    ["", ...parts.map(({ name }) => name)],
    [...found.keys()].map((name) => [name, ...latencies(name).map((values) => spread(values, 1))]),
  );
  const [first, , , , late] = latencies([...found.keys()][0]!);
  console.log();
  printGoal("first lookup after a start, ratio to lookups 51 to 100", median(first!) / median(late!), { atMost: 3 });
}

async function benchTime(): Promise<void> {
  const origin = await startPicturesOrigin(pictures);
  const found = await withBoth(origin, async (ours, naive) => {
    for (const contender of [ours, naive]) {
      const urls = Array.from({ length: warmUpLookups }, (_, index) => origin.coldUrl(pictures[index % 4]!));
      await contender.lookUp(urls, concurrency);
    }
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
    `Latency of sequential lookups, ms, after ${warmUpLookups} lookups; ${rounds} alternating rounds: median (minimum – maximum)`,
    ["picture", "media-oracle", "fetch, sharp and blurhash", "ratio"],
    found.map(({ picture, ours, naive }) => [
      picture.name,
      spread(ours.latenciesMs, 1),
      spread(naive.latenciesMs, 1),
      spread(ratios(ours.latenciesMs, naive.latenciesMs), 2),
    ]),
  );
  printTable(
    `Lookups a second, ${concurrency} concurrent; decoding only: from memory, in a process of its own`,
    [
      "picture",
      "media-oracle",
      "fetch, sharp and blurhash",
      "ratio",
      "decoding only",
      "CPU for one lookup, ms",
      "fetch, sharp and blurhash, ms",
      "decoding only, ms",
    ],
    found.map(({ picture, ours, naive, loop }) => [
      picture.name,
      spread(ours.rates),
      spread(naive.rates),
      spread(ratios(ours.rates, naive.rates), 2),
      spread(loop.rates),
      ...[ours, naive, loop].map(({ processorMs }) => spread(processorMs, 1)),
    ]),
  );
  console.log();
  const withGoal = found.filter(({ picture }) => picture.body.byteLength < cameraBytes);
  for (const { picture, ours, naive } of withGoal) {
    const ratio = median(ratios(ours.latenciesMs, naive.latenciesMs));
    printGoal(`latency, ratio to naive, ${picture.name}`, ratio, { atMost: 1 });
  }
  for (const { picture, ours, naive } of withGoal) {
    const ratio = median(ratios(ours.rates, naive.rates));
    printGoal(`throughput, ratio to naive, ${picture.name}`, ratio, { atLeast: 1.15 });
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
    `Memory of all processes, ${peakConcurrency} concurrent lookups of ${picture.name}, MB`,
    ["", "idle", "peak", `described of ${peakLookups}`],
    found.map(({ name, idle, peak, described }) => [name, megabytes(idle), megabytes(peak), String(described)]),
  );
  const [ours, naive] = found;
  console.log();
  printGoal("peak memory, ratio to naive", ours!.peak / naive!.peak, { atMost: 0.5 });
}

printMachine();
await benchStart();
await benchTime();
await benchStages();
await benchMemory(largest);
