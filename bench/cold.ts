/** Cold lookups against the twenty lines that people write today. */
import type { Service } from "../test/support/service.ts";
import type { PicturesOrigin } from "./support/pictures-origin.ts";
import type { Picture } from "./support/pictures.ts";
import { median, printTable, spread } from "./support/table.ts";
import { byNaive, byService, compare, ratios } from "./support/ways.ts";

const rounds = 5;
const atOnce = 8;

export async function benchCold(service: Service, origin: PicturesOrigin, pictures: readonly Picture[]): Promise<void> {
  const ways = [byService(service), byNaive()];
  const rows: string[][] = [];
  const medians: number[] = [];
  for (const picture of pictures) {
    const [ours, naive] = await compare(ways, origin, picture, { rounds, atOnce });
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
  for (const way of ways) await way.stop();
  printTable(
    `Cold lookups, against fetch + sharp + npm blurhash in process; ${rounds} rounds in turn: median (least – most)`,
    ["picture", `a second, ${atOnce} at once`, "theirs", "ratio", "latency alone, ms", "theirs"],
    rows,
  );
  console.log(`\ncold throughput: ${medians.map((ratio) => ratio.toFixed(2)).join(", ")} of the naive one`);
}
