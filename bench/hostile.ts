/** `npm run bench:hostile`: outcome, lateness and remaining sockets of a fetch from each hostile origin. */
import { setTimeout as sleep } from "node:timers/promises";
import { createFetcher } from "../test/support/fetch.ts";
import type { HostilePlace, HostileCommand, HostileReply } from "./support/hostile.ts";
import { startHelper } from "./support/processes.ts";
import { printTable, quantile } from "./support/table.ts";

const limitMs = 500;
const crowdLimitMs = 2000; // connecting to all origins takes longer
const boundMs = 250; // maximum time past the limit
const copies = 5; // concurrent fetches from each origin
const settleMs = 200; // until the other process has noticed that the last connection closed

interface End {
  readonly outcome: string;
  readonly elapsedMs: number;
  readonly lateMs: number;
}

const uncaught: unknown[] = [];
process.on("uncaughtException", (error) => uncaught.push(error));

const helper = startHelper<HostileCommand, HostileReply>("hostile");
const send = (command: HostileCommand["command"]) => helper.send({ command });
const listening = await send("listen");
if (!("places" in listening)) throw new Error("the origins did not listen");
const { places } = listening;

/** Returns the number of open connections of each origin. */
async function socketsLeft(): Promise<number[]> {
  await sleep(settleMs);
  const reply = await send("open");
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

await end(places[0]!, limitMs); // warm-up
const alone: End[] = [];
for (const place of places) alone.push(await end(place, limitMs));
const left = await socketsLeft();
printTable(
  `Hostile origins, sequential fetches, limit ${limitMs} ms`,
  ["origin", "outcome", "as expected", "ms", "ms past the limit", "open sockets"],
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
  `All hostile origins; goal: at most ${boundMs} ms past the limit of ${limitMs} or ${crowdLimitMs} ms`,
  ["", "fetches", "unexpected outcomes", "ms past the limit, median", "maximum", "open sockets"],
  [row("sequential", alone, places, left), row(`${copies} of each, concurrent`, together, crowd, leftTogether)],
);
console.log(`\nuncaught errors: ${uncaught.length}; bytes of bodies still held: ${budget.used}`);
process.exitCode = uncaught.length > 0 || alone.some((each) => each.lateMs > boundMs) ? 1 : 0;
