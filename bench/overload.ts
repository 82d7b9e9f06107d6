/** `npm run bench:overload`: four times as many cold questions as can be answered, beside a trickle of hits. */
import { startService } from "../test/support/service.ts";
import { type Answered, createFlood, deadlineMs, ends, isWithin, rateOf } from "./support/flood.ts";
import { printMachine } from "./support/machine.ts";
import { startPicturesOrigin } from "./support/pictures-origin.ts";
import { makePictures } from "./support/pictures.ts";
import { startHelper } from "./support/processes.ts";
import { printBar, printTable, quantile } from "./support/table.ts";
import type { TrickleQuestion, TrickleReply } from "./support/trickle.ts";

const hosts = 8; // a quarter of the queue is all that one may have
const circles = [4, 8, 16, 32];
const circleMs = 5000;
const times = 4;
const hitsASecond = 100;
const floodMs = 20_000;
const windowMs = 2000;
const settledMs = 4000; // from then on, the goodput is that of a service long under load

const [picture] = await makePictures();
const origin = await startPicturesOrigin([picture!], { hosts });
const service = await startService(origin.allowed);
const trickle = startHelper<TrickleQuestion, TrickleReply>("trickle");
const flood = createFlood(service.url, () => origin.coldUrl(picture!));

/** The most that are described a second, whatever number at once that takes. */
async function findPeak(): Promise<number> {
  await flood.circle(8, circleMs / 2); // warm-up
  const rows = [];
  let peak = 0;
  for (const atOnce of circles) {
    const answered = await flood.circle(atOnce, circleMs);
    const rate = rateOf(answered, "full", 0, circleMs);
    const tookMs = answered.map(({ tookMs }) => tookMs);
    peak = Math.max(peak, rate);
    rows.push([String(atOnce), rate.toFixed(0), quantile(tookMs, 0.5).toFixed(0), quantile(tookMs, 0.95).toFixed(0)]);
  }
  printTable(`Cold lookups of ${picture!.name}`, ["at once", "described a second", "ms: median", "p95"], rows);
  return peak;
}

async function trickleFor(durationMs: number): Promise<TrickleReply> {
  const url = origin.coldUrl(picture!);
  const body = JSON.stringify({ url });
  await fetch(`${service.url}/metadata?url=${encodeURIComponent(url)}`);
  return trickle.ask({ url: service.url, body, perSecond: hitsASecond, durationMs });
}

function printOverTime(answered: readonly Answered[], hits: TrickleReply, offered: number): void {
  const rows = [];
  for (let from = 0; from < floodMs; from += windowMs) {
    const to = from + windowMs;
    const tookMs = hits.asked.filter(({ atMs }) => isWithin(atMs, from, to)).map(({ tookMs }) => tookMs);
    const took = [0.5, 0.99, 1].map((share) => (tookMs.length > 0 ? quantile(tookMs, share).toFixed(1) : "–"));
    rows.push([
      `${from / 1000} – ${to / 1000}`,
      ...ends.map((end) => rateOf(answered, end, from, to).toFixed(0)),
      took.join(", "),
    ]);
  }
  printTable(
    `${offered.toFixed(0)} cold questions a second, each with ${deadlineMs} ms, beside ${hitsASecond} hits a second; answers a second`,
    ["seconds", "described", "what the head tells", "503", "other", "hits, ms: median, p99, most"],
    rows,
  );
}

function countsOf(answered: readonly Answered[]): string {
  const counts = new Map<string, number>();
  for (const { end, words } of answered) {
    const name = `${end}${words ? ` (${words})` : ""}`;
    counts.set(name, (counts.get(name) ?? 0) + 1);
  }
  return [...counts].map(([name, count]) => `${count} ${name}`).join(", ");
}

async function readMetric(name: string): Promise<string> {
  const metrics = await (await fetch(`${service.url}/metrics`)).text();
  return new RegExp(`^${name} (\\S+)$`, "m").exec(metrics)?.[1] ?? "unknown";
}

function first(answered: readonly Answered[], end: Answered["end"]): number {
  return Math.min(Infinity, ...answered.filter((one) => one.end === end).map(({ atMs }) => atMs));
}

printMachine();
try {
  const quiet = await trickleFor(windowMs);
  const peak = await findPeak();
  const offered = times * peak;
  await flood.connect();
  const [answered, hits] = await Promise.all([flood.rise(offered, floodMs), trickleFor(floodMs)]);
  printOverTime(answered, hits, offered);
  console.log(`\nin all: ${countsOf(answered)}; hits that failed: ${hits.failed}`);
  console.log(`decoder processes that were replaced: ${await readMetric("media_oracle_decoder_restarts_total")}`);
  const goodput = rateOf(answered, "full", settledMs, floodMs);
  const p99 = ({ asked }: TrickleReply) =>
    quantile(
      asked.map(({ tookMs }) => tookMs),
      0.99,
    );
  console.log(`hits, p99 without the flood: ${p99(quiet).toFixed(1)} ms`);
  printBar("hits, p99 in ms", p99(hits), { atMost: 10 }, 1);
  printBar("goodput of the peak", goodput / peak, { atLeast: 0.8 });
  const [head, refused] = [first(answered, "head"), first(answered, "refused")];
  printBar("first answer with the head alone, of when the first 503 came", head / refused || 0, { atMost: 1 });
} finally {
  await flood.stop();
  trickle.stop();
  await service.stop();
  origin.stop();
}
