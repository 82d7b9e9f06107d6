/** `npm run bench:misses`: what a cold lookup takes, beside the naive lines and beside nothing but the decoding. */
import { request } from "undici";
import { startService } from "../test/support/service.ts";
import { megabytes, memoryOfTree, sum } from "./support/figures.ts";
import { printMachine } from "./support/machine.ts";
import { type PicturesOrigin, startPicturesOrigin } from "./support/pictures-origin.ts";
import { makePhotos, type Picture } from "./support/pictures.ts";
import { roundsOr } from "./support/rounds.ts";
import { median, printBar, printTable, spread } from "./support/table.ts";
import { byDecodeLoop, byNaive, byService, compare, peakMemory, ratios, type Way } from "./support/ways.ts";

const rounds = roundsOr(7);
const atOnce = 8;
const crowd = 64;
const crowdLookups = 3 * crowd;
const hosts = 4; // one alone may not have so many at once
const largeBytes = 1_000_000;
const stagedLookups = 120;
const stagedWarmUp = 40;

const pictures = await makePhotos();
const largest = pictures.at(-1)!;

/** Does something with a service that may ask these origins, and with the naive lines beside it. */
async function withBoth<Result>(
  origin: PicturesOrigin,
  act: (ours: Way, naive: Way) => Promise<Result>,
): Promise<Result> {
  const service = await startService(origin.allowed);
  const [ours, naive] = [byService(service), byNaive()];
  try {
    return await act(ours, naive);
  } finally {
    for (const way of [ours, naive]) await way.stop();
    await service.stop();
  }
}

async function benchTime(): Promise<void> {
  const origin = await startPicturesOrigin(pictures);
  const found = await withBoth(origin, async (ours, naive) => {
    const comparisons = [];
    for (const picture of pictures) {
      const loop = await byDecodeLoop(picture);
      const [our, their, its] = await compare([ours, naive, loop], origin, picture, { rounds, atOnce });
      await loop.stop();
      comparisons.push({ picture, ours: our!, naive: their!, loop: its! });
    }
    return comparisons;
  });
  origin.stop();
  printTable(
    `Cold lookups one at a time, ms; ${rounds} rounds in turn: median (least – most)`,
    ["picture", "media-oracle", "fetch, sharp and blurhash", "ratio"],
    found.map(({ picture, ours, naive }) => [
      picture.name,
      spread(ours.latenciesMs, 1),
      spread(naive.latenciesMs, 1),
      spread(ratios(ours.latenciesMs, naive.latenciesMs), 2),
    ]),
  );
  printTable(
    `Cold lookups a second, ${atOnce} at once, beside a loop that only decodes what is in memory`,
    [
      "picture",
      "media-oracle",
      "only decoding",
      "ratio",
      "ratio of fetch, sharp and blurhash",
      "processor a lookup, ms",
      "only decoding, ms",
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
    printBar(`latency of the naive one's, ${picture.name}`, ratio, { atMost });
  }
  for (const { picture, ours, loop } of found) {
    const ratio = median(ratios(ours.rates, loop.rates));
    printBar(`throughput of only decoding, ${picture.name}`, ratio, { atLeast: 0.9 });
  }
}

const stages = ["queue", "fetch", "decode", "hash"];

/** What the service says of its time, one lookup after the other, beside what the caller waits and what only decoding takes. */
async function benchStages(): Promise<void> {
  const origin = await startPicturesOrigin(pictures);
  const service = await startService(origin.allowed);
  const rows = [];
  for (const picture of pictures) {
    const times: Record<string, number>[] = [];
    for (const url of origin.coldUrls(picture, stagedLookups)) times.push(await timesOf(service.url, url));
    const loop = await byDecodeLoop(picture);
    const { latenciesMs } = await loop.lookUp(origin.coldUrls(picture, stagedLookups), 1);
    await loop.stop();
    const medianOf = (stage: string) => median(times.slice(stagedWarmUp).map((each) => each[stage] ?? 0)).toFixed(1);
    rows.push([picture.name, ...[...stages, "rest", "all"].map(medianOf), median(latenciesMs).toFixed(1)]);
  }
  await service.stop();
  origin.stop();
  printTable(
    "Where the time of one goes, ms, median",
    ["picture", ...stages, "the rest", "all", "only decoding"],
    rows,
  );
}

async function timesOf(serviceUrl: string, url: string): Promise<Record<string, number>> {
  const asked = performance.now();
  const { headers, body } = await request(new URL("/metadata", serviceUrl), {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ url }),
  });
  await body.dump();
  const all = performance.now() - asked;
  const told = String(headers["server-timing"]).matchAll(/(\w+);dur=([\d.]+)/g);
  const times = Object.fromEntries([...told].map(([, stage, took]) => [stage, Number(took)] as const));
  const known: Record<string, number> = { ...times, all };
  return { ...known, rest: all - sum(Object.values(times)) };
}

async function benchMemory(picture: Picture): Promise<void> {
  const origin = await startPicturesOrigin([picture], { hosts });
  const found = await withBoth(origin, async (...ways) => {
    const memory = [];
    for (const way of ways) {
      await way.lookUp(origin.coldUrls(picture, 1), 1); // what is loaded for the first
      const idle = memoryOfTree(way.pid);
      const { bytes, lacking } = await peakMemory(way, origin.coldUrls(picture, crowdLookups), crowd);
      memory.push({ name: way.name, idle, peak: bytes, described: crowdLookups - lacking });
    }
    return memory;
  });
  origin.stop();
  printTable(
    `Memory of all processes together, ${crowd} cold lookups at once of ${picture.name}, MB`,
    ["", "before", "at most", `described of ${crowdLookups}`],
    found.map(({ name, idle, peak, described }) => [name, megabytes(idle), megabytes(peak), String(described)]),
  );
  const [ours, naive] = found;
  console.log();
  printBar("memory of the naive one's", ours!.peak / naive!.peak, { atMost: 0.5 });
}

printMachine();
await benchTime();
await benchStages();
await benchMemory(largest);
