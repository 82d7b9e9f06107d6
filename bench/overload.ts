/** `npm run bench:overload`: cold lookups at four times the peak rate, with a steady load of cache hits. */
import { startService } from "../test/support/service.ts";
import { type Answer, createFlood, deadlineMs, outcomes, isWithin, rateOf } from "./support/flood.ts";
import { printMachine } from "./support/machine.ts";
import { startPicturesOrigin } from "./support/pictures-origin.ts";
import { makePictures } from "./support/pictures.ts";
import { startHelper } from "./support/processes.ts";
import { printGoal, printTable, quantile } from "./support/table.ts";
import type { TrickleCommand, TrickleReply } from "./support/trickle.ts";

const hosts = 8; // one host may fill only a quarter of the queue
const concurrencies = [4, 8, 16, 32];
const closedLoopMs = 5000;
const overloadFactor = 4;
const hitsASecond = 100;
const floodMs = 20_000;
const windowMs = 2000;
const settledMs = 4000; // from then on the goodput is steady

const [picture] = await makePictures();
const origin = await startPicturesOrigin([picture!], { hosts });
const service = await startService(origin.allowed);
const trickle = startHelper<TrickleCommand, TrickleReply>("trickle");
const flood = createFlood(service.url, () => origin.coldUrl(picture!));

/** Returns the peak rate of described pictures a second, over several concurrencies. */
async function findPeak(): Promise<number> {
  await flood.closedLoop(8, closedLoopMs / 2); // warm-up
  const rows = [];
  let peak = 0;
  for (const concurrency of concurrencies) {
    const answers = await flood.closedLoop(concurrency, closedLoopMs);
    const rate = rateOf(answers, "full", 0, closedLoopMs);
    const tookMs = answers.map(({ tookMs }) => tookMs);
    peak = Math.max(peak, rate);
    rows.push([
      String(concurrency),
      rate.toFixed(0),
      quantile(tookMs, 0.5).toFixed(0),
      quantile(tookMs, 0.95).toFixed(0),
    ]);
  }
  printTable(`Cold lookups of ${picture!.name}`, ["concurrency", "described a second", "ms: median", "p95"], rows);
  return peak;
}

/** Caches a picture, and opens the connections over which it will be requested. */
async function prepareHits(): Promise<string> {
  const url = origin.coldUrl(picture!);
  await fetch(`${service.url}/metadata?url=${encodeURIComponent(url)}`);
  await trickle.send({ connect: service.url });
  return JSON.stringify({ url });
}

function trickleFor(body: string, durationMs: number): Promise<TrickleReply> {
  return trickle.send({ body, perSecond: hitsASecond, durationMs });
}

function printOverTime(answers: readonly Answer[], hits: TrickleReply, offered: number): void {
  const rows = [];
  for (let from = 0; from < floodMs; from += windowMs) {
    const to = from + windowMs;
    const tookMs = hits.requests.filter(({ atMs }) => isWithin(atMs, from, to)).map(({ tookMs }) => tookMs);
    const took = [0.5, 0.99, 1].map((share) => (tookMs.length > 0 ? quantile(tookMs, share).toFixed(1) : "–"));
    rows.push([
      `${from / 1000} – ${to / 1000}`,
      ...outcomes.map((outcome) => rateOf(answers, outcome, from, to).toFixed(0)),
      took.join(", "),
    ]);
  }
  printTable(
    `${offered.toFixed(0)} cold lookups a second with a deadline of ${deadlineMs} ms, and ${hitsASecond} hits a second; responses a second`,
    ["seconds", "described", "header only", "503", "other", "hits, ms: median, p99, maximum"],
    rows,
  );
}

function countsOf(answers: readonly Answer[]): string {
  const counts = new Map<string, number>();
  for (const { outcome, detail } of answers) {
    const name = `${outcome}${detail ? ` (${detail})` : ""}`;
    counts.set(name, (counts.get(name) ?? 0) + 1);
  }
  return [...counts].map(([name, count]) => `${count} ${name}`).join(", ");
}

async function readMetric(name: string): Promise<string> {
  const metrics = await (await fetch(`${service.url}/metrics`)).text();
  return new RegExp(`^${name} (\\S+)$`, "m").exec(metrics)?.[1] ?? "unknown";
}

function firstMs(answers: readonly Answer[], outcome: Answer["outcome"]): number {
  return Math.min(Infinity, ...answers.filter((one) => one.outcome === outcome).map(({ atMs }) => atMs));
}

printMachine();
try {
  const quiet = await trickleFor(await prepareHits(), windowMs);
  const peak = await findPeak();
  const offered = overloadFactor * peak;
  await flood.connect();
  const body = await prepareHits();
  const [answers, hits] = await Promise.all([flood.openLoop(offered, floodMs), trickleFor(body, floodMs)]);
  printOverTime(answers, hits, offered);
  console.log(`\ntotal: ${countsOf(answers)}; failed hits: ${hits.failed}`);
  console.log(`replaced decoder workers: ${await readMetric("media_oracle_decoder_restarts_total")}`);
  const goodput = rateOf(answers, "full", settledMs, floodMs);
  const p99 = ({ requests }: TrickleReply) =>
    quantile(
      requests.map(({ tookMs }) => tookMs),
      0.99,
    );
  console.log(`hits, p99 without overload: ${p99(quiet).toFixed(1)} ms`);
  printGoal("hits, p99 in ms", p99(hits), { atMost: 50 }, 1);
  printGoal("goodput, ratio to the peak", goodput / peak, { atLeast: 0.8 });
  const [head, refused] = [firstMs(answers, "head"), firstMs(answers, "refused")];
  printGoal("time of the first header-only response, ratio to that of the first 503", head / refused || 0, {
    atMost: 1,
  });
} finally {
  await flood.stop();
  trickle.stop();
  await service.stop();
  origin.stop();
}
