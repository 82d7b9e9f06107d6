/**
 * `npm run bench:network`: what a caller knows when, and how much is downloaded for it, for sixteen kinds of file behind three
 * networks. `-- --network 20 --only gif,mp4` selects by Mbit/s and by name; `--fields type,bytes` sends these fields.
 */
import { parseArgs } from "node:util";
import { Pool, request } from "undici";
import { startService } from "../test/support/service.ts";
import { everydayFiles, type MadeFile, makeEverydayFiles, warmUpFile } from "./support/everyday-files.ts";
import { sum } from "./support/figures.ts";
import { type FactTimes, factNames, factsOf, timeFacts } from "./support/known-facts.ts";
import { printMachine } from "./support/machine.ts";
import type { NetworkOriginCommand, NetworkOriginReply } from "./support/network-origin.ts";
import { ensurePeers, importPeer } from "./support/peer.ts";
import { startHelper } from "./support/processes.ts";
import type { PathCounts } from "./support/shaped-origin.ts";
import { printGoal, printTable } from "./support/table.ts";

interface Network {
  readonly megabitsPerSecond: number;
  readonly oneWayMs: number;
  /** Lookups at once. Each connection has its own bandwidth, but 16 lookups delay each other by 0.4 s of CPU time. */
  readonly lookups: number;
  /** Downloads at once. */
  readonly downloads: number;
}

const networks: readonly Network[] = [
  { megabitsPerSecond: 100, oneWayMs: 5, lookups: 1, downloads: 1 },
  { megabitsPerSecond: 20, oneWayMs: 20, lookups: 2, downloads: 4 },
  { megabitsPerSecond: 2, oneWayMs: 100, lookups: 4, downloads: 16 }, // the longest download takes 205 s
];

// mod_muc_media_metadata: its timeout of 2 s less its reserve of 0.2 s, and the fields of all its outputs but sfs, which needs
// the hash of the whole file.
const roomDeadlineMs = 1800;
const roomFields: readonly string[] | null = "bytes type blurhash thumbhash width height durationMs filename".split(
  " ",
);
const sampleEveryMs = 25;
const warmUpLookups = 5;

const goalNetwork = 20;
const wholeGoal = 14;
const readPercentGoal = 30;

interface Measured {
  readonly file: MadeFile;
  readonly times: FactTimes;
  readonly readBytes: number;
  readonly naiveMs: number;
  readonly probe: { readonly ms: number; readonly bytes: number } | null;
}

type Probe = (url: string) => Promise<unknown>;

const { values: options } = parseArgs({
  options: { network: { type: "string" }, only: { type: "string" }, fields: { type: "string" } },
});
const only = options.only?.split(",");
const fields = options.fields?.split(",") ?? roomFields;

/** Downloads a whole file, which a naive implementation does before it knows anything; decoding would come on top. */
async function timeDownload(url: string): Promise<number> {
  const began = performance.now();
  const { body } = await request(url);
  await body.forEach(() => undefined);
  return performance.now() - began;
}

async function timeProbe(probe: Probe, url: string): Promise<number> {
  const began = performance.now();
  await probe(url);
  return performance.now() - began;
}

async function mapConcurrently<Item, Result>(
  items: readonly Item[],
  concurrency: number,
  map: (item: Item, index: number) => Promise<Result>,
): Promise<Result[]> {
  const results: Result[] = [];
  const remaining = [...items.entries()];
  const work = async () => {
    for (let next = remaining.shift(); next; next = remaining.shift()) results[next[0]] = await map(next[1], next[0]);
  };
  await Promise.all(Array.from({ length: concurrency }, work));
  return results;
}

/** Whether probe-image-size is meant for the file: a picture. */
const isPicture = ({ facts }: MadeFile) => facts.size !== null && facts.durationMs === null;

/** Measures all files behind a network, with a service of its own: it has neither metadata nor decode results in its cache. */
async function measure(network: Network, files: readonly MadeFile[], warmUp: MadeFile, probe: Probe) {
  const origin = startHelper<NetworkOriginCommand, NetworkOriginReply>("network-origin");
  const served = [...files, warmUp].map(({ path, facts }) => ({ path, type: facts.type }));
  const shape = {
    roundTripMs: 2 * network.oneWayMs,
    bytesPerSecond: (network.megabitsPerSecond * 1_000_000) / 8,
  };
  const listening = await origin.send({ listen: { files: served, shape } });
  if (!("ports" in listening)) throw new Error("the origin did not listen");
  const { ports } = listening;
  const service = await startService({ ALLOW_ADDRESSES: ports.map((port) => `127.0.0.1:${port}`).join() });
  const pool = new Pool(service.url);
  const urlOf = (index: number, path: string) => `http://127.0.0.1:${ports[index]}${path}`;
  const lookUp = { fields, roomDeadlineMs, sampleEveryMs };
  try {
    for (let count = 0; count < warmUpLookups; count += 1) {
      await timeFacts(pool, urlOf(files.length, `/warm-up/${count}`), warmUp, lookUp);
    }
    const times = await mapConcurrently(files, network.lookups, (file, index) =>
      timeFacts(pool, urlOf(index, `/room/${file.name}`), file, lookUp),
    );
    const others = await mapConcurrently(files, network.downloads, async (file, index) => ({
      probeMs: isPicture(file) ? await timeProbe(probe, urlOf(index, `/probe/${file.name}`)) : null,
      naiveMs: await timeDownload(urlOf(index, `/naive/${file.name}`)),
    }));
    const counted = await origin.send({ count: true });
    if (!("counts" in counted)) throw new Error("the origin did not count");
    return files.map((file, index) => toMeasured({ file, times: times[index]!, ...others[index]! }, counted.counts));
  } finally {
    await pool.close();
    await service.stop();
    origin.stop();
  }
}

function toMeasured(
  { file, times, probeMs, naiveMs }: Omit<Measured, "probe" | "readBytes"> & { readonly probeMs: number | null },
  counts: PathCounts,
): Measured {
  const bytesOf = (contender: string) => counts[`/${contender}/${file.name}`]?.bytes ?? 0;
  const probe = probeMs === null ? null : { ms: probeMs, bytes: bytesOf("probe") };
  return { file, times, naiveMs, probe, readBytes: bytesOf("room") };
}

const thousands = (bytes: number) => (bytes / 1000).toFixed(0);
const percent = (part: number, whole: number) => (100 * part) / whole;

function row({ file, times, readBytes, naiveMs, probe }: Measured): string[] {
  const facts = factsOf(file);
  const { missingInRoom, knownMs } = times;
  return [
    file.label,
    thousands(file.bytes),
    ...factNames.map((name) => (facts.includes(name) ? (knownMs[name]?.toFixed(0) ?? "never") : "–")),
    missingInRoom.length === 0 ? "whole" : `no ${missingInRoom.join(", ")}`,
    thousands(readBytes),
    percent(readBytes, file.bytes).toFixed(0),
    naiveMs.toFixed(0),
    probe?.ms.toFixed(0) ?? "–",
    probe ? thousands(probe.bytes) : "–",
  ];
}

function print({ megabitsPerSecond, oneWayMs }: Network, found: readonly Measured[]): void {
  printTable(
    `${megabitsPerSecond} Mbit/s, round trip ${2 * oneWayMs} ms: milliseconds until each fact is known`,
    [
      "file",
      "kB",
      ...factNames,
      `room after ${roomDeadlineMs / 1000} s`,
      "read, kB",
      "read, %",
      "naive: download, ms",
      "probe-image-size, ms",
      "read, kB",
    ],
    found.map(row),
  );
  const wholeCount = found.filter(({ times }) => times.missingInRoom.length === 0).length;
  const [readBytes, bytes] = [
    sum(found.map((each) => each.readBytes)),
    sum(found.map(({ file }) => file.bytes)),
  ] as const;
  const readPercent = percent(readBytes, bytes);
  console.log(
    `\n${megabitsPerSecond} Mbit/s: ${wholeCount} of ${found.length} whole within ${roomDeadlineMs / 1000} s, ${readPercent.toFixed(0)} % of the bytes read`,
  );
  if (megabitsPerSecond !== goalNetwork || found.length < everydayFiles.length) return;
  printGoal("files whole in time", wholeCount, { atLeast: wholeGoal }, 0);
  printGoal("bytes read, %", readPercent, { atMost: readPercentGoal }, 0);
}

ensurePeers();
printMachine();
const { default: probe } = await importPeer<{ readonly default: Probe }>("probe-image-size");
const unknown = only?.filter((name) => !everydayFiles.some((file) => file.name === name)) ?? [];
if (unknown.length > 0) throw new Error(`no such file: ${unknown.join(", ")}`);
const chosen = networks.filter(({ megabitsPerSecond }) =>
  [undefined, String(megabitsPerSecond)].includes(options.network),
);
if (chosen.length === 0) throw new Error(`no such network: ${options.network}`);
const [warmUp, ...files] = await makeEverydayFiles([
  warmUpFile,
  ...everydayFiles.filter(({ name }) => only?.includes(name) ?? true),
]);
for (const network of chosen) print(network, await measure(network, files, warmUp!, probe));
