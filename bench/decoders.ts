/** `npm run bench:decoders`: throughput by number of decoder workers, and by number of libvips threads in each. */
import { availableParallelism } from "node:os";
import { startService } from "../test/support/service.ts";
import { megabytes, memoryOfTree } from "./support/figures.ts";
import { printMachine } from "./support/machine.ts";
import { startPicturesOrigin } from "./support/pictures-origin.ts";
import { makePictures } from "./support/pictures.ts";
import { roundsOr } from "./support/rounds.ts";
import { printTable, spread } from "./support/table.ts";
import { createDecodeLoopContender, createServiceContender, compare } from "./support/contenders.ts";

const rounds = roundsOr(5);
const concurrency = 8;
const decoders = [1, 2, 3, 4];
const threads = [1, 2];

const pictures = await makePictures();
const header = ["", ...pictures.flatMap(({ name }) => [name, "one lookup, ms"])];

async function benchProcesses(): Promise<void> {
  const origin = await startPicturesOrigin(pictures);
  const services = [];
  for (const count of decoders) services.push(await startService({ ...origin.allowed, DECODERS: String(count) }));
  const contenders = services.map((service) => createServiceContender(service));
  const rows = decoders.map((count) => [`DECODERS=${count}`]);
  for (const picture of pictures) {
    const found = await compare(contenders, origin, picture, { rounds, concurrency });
    found.forEach(({ rates, latenciesMs }, at) => rows[at]!.push(spread(rates), spread(latenciesMs, 1)));
  }
  contenders.forEach(({ pid }, at) => rows[at]!.push(megabytes(memoryOfTree(pid))));
  printTable(
    `Cold lookups a second, ${concurrency} concurrent, with ${availableParallelism()} processors; ${rounds} alternating rounds`,
    [...header, "memory after the run, MB"],
    rows,
  );
  for (const contender of contenders) await contender.stop();
  for (const service of services) await service.stop();
  origin.stop();
}

async function benchThreads(): Promise<void> {
  const origin = await startPicturesOrigin(pictures);
  const rows = threads.map((count) => [String(count)]);
  for (const picture of pictures) {
    const loops = await Promise.all(threads.map((count) => createDecodeLoopContender(picture, count)));
    const found = await compare(loops, origin, picture, { rounds, concurrency });
    found.forEach(({ rates, latenciesMs }, at) => rows[at]!.push(spread(rates), spread(latenciesMs, 1)));
    for (const loop of loops) await loop.stop();
  }
  origin.stop();
  printTable("Decoding only, one picture for each processor concurrently, by number of libvips threads", header, rows);
}

printMachine();
await benchProcesses();
await benchThreads();
