/** Cold lookups, compared with a naive implementation of twenty lines. */
import type { Service } from "../test/support/service.ts";
import type { PicturesOrigin } from "./support/pictures-origin.ts";
import type { Picture } from "./support/pictures.ts";
import { median, printTable, spread } from "./support/table.ts";
import { createNaiveContender, createServiceContender, compare, ratios } from "./support/contenders.ts";

const rounds = 5;
const concurrency = 8;

export async function benchCold(service: Service, origin: PicturesOrigin, pictures: readonly Picture[]): Promise<void> {
  const contenders = [createServiceContender(service), await createNaiveContender()];
  const rows: string[][] = [];
  const medians: number[] = [];
  for (const picture of pictures) {
    const [ours, naive] = await compare(contenders, origin, picture, { rounds, concurrency });
    const ratio = ratios(ours!.rates, naive!.rates);
    medians.push(median(ratio));
    rows.push([
      picture.name,
      spread(ours!.rates),
      spread(naive!.rates),
      spread(ratio, 2),
      spread(ours!.latenciesMs, 1),
      spread(naive!.latenciesMs, 1),
    ]);
  }
  for (const contender of contenders) await contender.stop();
  printTable(
    `Cold lookups, compared with fetch + sharp + npm blurhash in one process, over HTTP too; ${rounds} alternating rounds: median (minimum – maximum)`,
    ["picture", `lookups a second, ${concurrency} concurrent`, "naive", "ratio", "latency of one lookup, ms", "naive"],
    rows,
  );
  console.log(`\ncold throughput: ${medians.map((ratio) => ratio.toFixed(2)).join(", ")} times the naive throughput`);
}
