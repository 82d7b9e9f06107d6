/** Cold lookups against the twenty lines that people write today. */
import { Pool } from "undici";
import type { Service } from "../test/support/service.ts";
import { type LookupsQuestion, type LookupsReply, timeLookups } from "./support/lookups.ts";
import { startHelper } from "./support/processes.ts";
import { median, printTable, spread } from "./support/table.ts";

const rounds = 5;
const lookupsARound = 120;

let number = 0;
const coldUrls = (origin: string) =>
  Array.from({ length: lookupsARound }, () => `${origin}/cold.jpg?n=${(number += 1)}`);

/** @param origin serves the picture under every path, so that each query string is a cold URL */
export async function benchCold(service: Service, origin: string, picture: string): Promise<void> {
  const naive = startHelper<LookupsQuestion, LookupsReply>("naive");
  // Not `fetch`, which takes a millisecond and a half of the processor that the service is to be measured on.
  const pool = new Pool(service.url);
  const lookup = async (url: string) => {
    const body = JSON.stringify({ url });
    const headers = { "content-type": "application/json" };
    const reply = await pool.request({ method: "POST", path: "/metadata", headers, body });
    const { blurhash } = (await reply.body.json()) as { blurhash: string | null };
    if (reply.statusCode !== 200 || blurhash === null) throw new Error(`no description: ${reply.statusCode}`);
  };
  const ways = {
    ours: (concurrency: number) => timeLookups(coldUrls(origin), concurrency, lookup),
    naive: (concurrency: number) => naive.ask({ urls: coldUrls(origin), concurrency }),
  };
  const rows: string[][] = [];
  for (const concurrency of [8, 1]) {
    const rates: Record<keyof typeof ways, number[]> = { ours: [], naive: [] };
    const latencies: Record<keyof typeof ways, number[]> = { ours: [], naive: [] };
    for (let round = -1; round < rounds; round += 1) {
      for (const way of ["ours", "naive"] as const) {
        const { elapsedMs, latenciesMs } = await ways[way](concurrency);
        if (round < 0) continue; // warm-up
        rates[way].push(lookupsARound / (elapsedMs / 1000));
        latencies[way].push(median(latenciesMs));
      }
    }
    const ratios = rates.ours.map((rate, round) => rate / rates.naive[round]!);
    const row = (name: string, way: keyof typeof ways) => [name, spread(rates[way]), spread(latencies[way], 1)];
    rows.push(
      row(`media-oracle, ${concurrency} at once`, "ours"),
      row(`fetch + sharp + npm blurhash in process, ${concurrency} at once`, "naive"),
      ["ratio, round by round", spread(ratios, 2), (median(latencies.ours) / median(latencies.naive)).toFixed(2)],
    );
  }
  naive.stop();
  await pool.close();
  printTable(
    `Cold lookups of ${picture}, ${rounds} rounds in turn: median (least – most)`,
    ["way", "lookups a second", "median latency, ms"],
    rows,
  );
}
