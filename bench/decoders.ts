/** `npm run bench:decoders`: how many decoder processes, and how many threads of libvips in each. */
import { availableParallelism } from "node:os";
import { startService } from "../test/support/service.ts";
import { megabytes, memoryOfTree } from "./support/figures.ts";
import { printMachine } from "./support/machine.ts";
import { startPicturesOrigin } from "./support/pictures-origin.ts";
import { makePictures } from "./support/pictures.ts";
import { roundsOr } from "./support/rounds.ts";
import { printTable, spread } from "./support/table.ts";
import { byDecodeLoop, byService, compare } from "./support/ways.ts";

const rounds = roundsOr(5);
const atOnce = 8;
const decoders = [1, 2, 3, 4];
const threads = [1, 2];

const pictures = await makePictures();
const header = ["", ...pictures.flatMap(({ name }) => [name, "alone, ms"])];

async function benchProcesses(): Promise<void> {
  const origin = await startPicturesOrigin(pictures);
  const services = [];
  for (const count of decoders) services.push(await startService({ ...origin.allowed, DECODERS: String(count) }));
  const ways = services.map((service) => byService(service));
  const rows = decoders.map((count) => [`DECODERS=${count}`]);
  for (const picture of pictures) {
    const found = await compare(ways, origin, picture, { rounds, atOnce });
    found.forEach(({ rates, latenciesMs }, at) => rows[at]!.push(spread(rates), spread(latenciesMs, 1)));
  }
  ways.forEach(({ pid }, at) => rows[at]!.push(megabytes(memoryOfTree(pid))));
  printTable(
    `Cold lookups a second, ${atOnce} at once, with ${availableParallelism()} processors; ${rounds} rounds in turn`,
    [...header, "memory afterwards, MB"],
    rows,
  );
  for (const way of ways) await way.stop();
  for (const service of services) await service.stop();
  origin.stop();
}

async function benchThreads(): Promise<void> {
  const origin = await startPicturesOrigin(pictures);
  const rows = threads.map((count) => [String(count)]);
  for (const picture of pictures) {
    const loops = await Promise.all(threads.map((count) => byDecodeLoop(picture, count)));
    const found = await compare(loops, origin, picture, { rounds, atOnce });
    found.forEach(({ rates, latenciesMs }, at) => rows[at]!.push(spread(rates), spread(latenciesMs, 1)));
    for (const loop of loops) await loop.stop();
  }
  origin.stop();
  printTable("Only decoding, as many at once as there are processors, by threads of libvips", header, rows);
}

printMachine();
await benchProcesses();
await benchThreads();
