/** Cold lookups against the twenty lines that people write today. */
import { Pool } from "undici";
import type { Service } from "../test/support/service.ts";
import { type LookupsQuestion, type LookupsReply, timeLookups } from "./support/lookups.ts";
import type { Picture } from "./support/pictures.ts";
import { startHelper } from "./support/processes.ts";
import { median, printTable, spread } from "./support/table.ts";

const rounds = 5;
const atOnce = 8;

/** A picture and where it is served, under every path: each query string is a cold URL. */
export interface ServedPicture extends Picture {
  readonly url: string;
}

export async function benchCold(service: Service, pictures: readonly ServedPicture[]): Promise<void> {
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
    ours: (urls: string[], concurrency: number) => timeLookups(urls, concurrency, lookup),
    naive: (urls: string[], concurrency: number) => naive.ask({ urls, concurrency }),
  };
  let number = 0;
  const coldUrls = ({ url, lookupsARound }: ServedPicture) =>
    Array.from({ length: lookupsARound }, () => `${url}/cold?n=${(number += 1)}`);

  const rows: string[][] = [];
  const ratios: number[] = [];
  for (const picture of pictures) {
    const rates = { ours: [] as number[], naive: [] as number[] };
    const latencies = { ours: [] as number[], naive: [] as number[] };
    for (let round = -1; round < rounds; round += 1) {
      for (const way of ["ours", "naive"] as const) {
        const { elapsedMs } = await ways[way](coldUrls(picture), atOnce);
        const { latenciesMs } = await ways[way](coldUrls(picture), 1);
        if (round < 0) continue; // warm-up
        rates[way].push(picture.lookupsARound / (elapsedMs / 1000));
        latencies[way].push(median(latenciesMs));
      }
    }
    const ratio = rates.ours.map((rate, round) => rate / rates.naive[round]!);
    ratios.push(median(ratio));
    rows.push([
      picture.name,
      spread(rates.ours),
      spread(rates.naive),
      spread(ratio, 2),
      spread(latencies.ours, 1),
      spread(latencies.naive, 1),
    ]);
  }
  naive.stop();
  await pool.close();
  printTable(
    `Cold lookups, against fetch + sharp + npm blurhash in process; ${rounds} rounds in turn: median (least – most)`,
    ["picture", `a second, ${atOnce} at once`, "theirs", "ratio", "latency alone, ms", "theirs"],
    rows,
  );
  console.log(`\ncold throughput: ${ratios.map((ratio) => ratio.toFixed(2)).join(", ")} of the naive one`);
}
