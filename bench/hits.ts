/** Hits a second with the full contract, against a bare `node:http` server that parses and returns the same bytes. */
import type { Service } from "../test/support/service.ts";
import type { BareQuestion, BareReply } from "./support/bare.ts";
import { requestRate } from "./support/load.ts";
import { startHelper } from "./support/processes.ts";
import { median, printTable, spread } from "./support/table.ts";

const rounds = 7;
const warmUpMs = 1500;
const durationMs = 2000;
const connections = 32;

export async function benchHits(service: Service, target: string): Promise<void> {
  const body = JSON.stringify({ url: target });
  const ours = new URL("/metadata", service.url);
  const first = await fetch(ours, { method: "POST", headers: { "content-type": "application/json" }, body });
  const bare = startHelper<BareQuestion, BareReply>("bare");
  const { port } = await bare.ask({ answer: await first.text() });
  const theirs = new URL(`http://127.0.0.1:${port}/metadata`);

  for (const url of [ours, theirs]) await requestRate({ url, body, connections, durationMs: warmUpMs });
  const rates = { ours: [] as number[], bare: [] as number[], ratio: [] as number[] };
  for (let round = 0; round < rounds; round += 1) {
    rates.ours.push(await requestRate({ url: ours, body, connections, durationMs }));
    rates.bare.push(await requestRate({ url: theirs, body, connections, durationMs }));
    rates.ratio.push(rates.ours.at(-1)! / rates.bare.at(-1)!);
  }
  bare.stop();
  printTable(
    `Hits a second, ${connections} connections, ${rounds} rounds in turn: median (least – most)`,
    ["server", "answers a second"],
    [
      ["media-oracle, full contract", spread(rates.ours)],
      ["bare node:http, same bytes", spread(rates.bare)],
      ["ratio, round by round", spread(rates.ratio, 2)],
    ],
  );
  console.log(`\nhits: ${median(rates.ratio).toFixed(2)} of the bare server`);
}
