/** `npm run bench:hostile`: how each hostile origin ends, how late, and what it leaves behind. */
import { setTimeout as sleep } from "node:timers/promises";
import { createFetcher } from "../test/support/fetch.ts";
import type { HostilePlace, HostileQuestion, HostileReply } from "./support/hostile.ts";
import { startHelper } from "./support/processes.ts";
import { printTable, quantile } from "./support/table.ts";

const limitMs = 500;
const crowdLimitMs = 2000; // to connect to all of them takes its time
const boundMs = 250; // past the limit
const copies = 5; // of every origin, all at once
const settleMs = 200; // until the other process has seen the last connection end

interface End {
  readonly outcome: string;
  readonly elapsedMs: number;
  readonly lateMs: number;
}

const uncaught: unknown[] = [];
process.on("uncaughtException", (error) => uncaught.push(error));

const helper = startHelper<HostileQuestion, HostileReply>("hostile");
const ask = (question: HostileQuestion["question"]) => helper.ask({ question });
const listening = await ask("listen");
if (!("places" in listening)) throw new Error("the origins did not listen");
const { places } = listening;

/** Connections that are open at each of the origins. */
async function socketsLeft(): Promise<number[]> {
  await sleep(settleMs);
  const reply = await ask("open");
  if (!("open" in reply)) throw new Error("the origins did not count");
  return reply.open;
}

const { outcome, budget } = createFetcher();
async function end({ url }: HostilePlace, limitMs: number): Promise<End> {
  const began = performance.now();
  const ended = await outcome(url, limitMs);
  const elapsedMs = performance.now() - began;
  return { outcome: ended, elapsedMs, lateMs: Math.max(0, elapsedMs - limitMs) };
}

await end(places[0]!, limitMs); // what is slow only the first time
const alone: End[] = [];
for (const place of places) alone.push(await end(place, limitMs));
const left = await socketsLeft();
printTable(
  `Hostile origins, one after the other, limit ${limitMs} ms`,
  ["origin", "ends as", "as it should", "ms", "ms past the limit", "sockets left"],
  places.map(({ name, expected }, index) => {
    const each = alone[index]!;
    const isRight = each.outcome === expected ? "yes" : `NO: ${expected}`;
    return [name, each.outcome, isRight, each.elapsedMs.toFixed(0), each.lateMs.toFixed(0), String(left[index])];
  }),
);

const crowd = Array.from({ length: copies }, () => places).flat();
const together = await Promise.all(crowd.map((place) => end(place, crowdLimitMs)));
const leftTogether = await socketsLeft();
helper.stop();

const sum = (values: readonly number[]) => values.reduce((total, value) => total + value, 0);
const row = (name: string, ends: readonly End[], expected: readonly HostilePlace[], sockets: readonly number[]) => [
  name,
  String(ends.length),
  String(ends.filter((each, index) => each.outcome !== expected[index]!.expected).length),
  quantile(
    ends.map(({ lateMs }) => lateMs),
    0.5,
  ).toFixed(0),
  Math.max(...ends.map(({ lateMs }) => lateMs)).toFixed(0),
  String(sum(sockets)),
];
printTable(
  `All of them; the bound is ${boundMs} ms past the limit, ${limitMs} and ${crowdLimitMs} ms`,
  ["", "fetches", "ended otherwise", "ms past the limit, median", "at most", "sockets left"],
  [row("one after the other", alone, places, left), row(`${copies} of each at once`, together, crowd, leftTogether)],
);
console.log(`\nuncaught errors: ${uncaught.length}; bytes of bodies still held: ${budget.used}`);
process.exitCode = uncaught.length > 0 || alone.some((each) => each.lateMs > boundMs) ? 1 : 0;
