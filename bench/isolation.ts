/** `npm run bench:isolation`: cost of decoding in workers instead of in the own process, by format. */
import { readFileSync } from "node:fs";
import { availableParallelism } from "node:os";
import { type Decoder } from "../src/media/decode/decoder.ts";
import { type Format } from "../src/media/formats/index.ts";
import { sniff } from "../src/media/formats/sniff.ts";
import { startDecoder } from "../test/support/decoder.ts";
import type { DescribeLoopFile } from "./support/describe-loop.ts";
import { everydayFiles, makeEverydayFiles } from "./support/everyday-files.ts";
import { type LookupsCommand, type LookupsReply, timeLookups } from "./support/lookups.ts";
import { printMachine } from "./support/machine.ts";
import { takePhoto } from "./support/pictures.ts";
import { startHelper } from "./support/processes.ts";
import { roundsOr } from "./support/rounds.ts";
import { median, printTable, spread } from "./support/table.ts";

const rounds = roundsOr(5);
const concurrency = 8;
const roundMs = 600; // of decoding, for each contender
const names = ["jpeg", "progressive", "png", "gif", "webp-animated", "webp", "avif", "heic", "apng", "mp3-vbr", "flac"];

interface File {
  readonly label: string;
  readonly body: Buffer;
}

interface Contender {
  run(count: number, concurrency: number): Promise<Omit<LookupsReply, "loopP99Ms">>;
}

async function makeFiles(): Promise<File[]> {
  const smallAvif = await (await takePhoto(640, 480)).avif({ effort: 2 }).toBuffer();
  const everyday = await makeEverydayFiles(everydayFiles.filter(({ name }) => names.includes(name)));
  return [
    ...everyday.map(({ label, path }) => ({ label, body: readFileSync(path) })),
    { label: "AVIF, 640 x 480", body: smallAvif },
  ];
}

function inWorkers(decoder: Decoder, body: Buffer, format: Format): Contender {
  const describe = async () => (await decoder.describe(body, format)).blurhash !== null;
  return { run: (count, atOnce) => timeLookups(Array<string>(count).fill(""), atOnce, describe) };
}

async function inProcess(body: Buffer): Promise<Contender & { stop(): void }> {
  const helper = startHelper<DescribeLoopFile | LookupsCommand, LookupsReply>("describe-loop");
  await helper.send({ file: body.toString("base64") });
  return {
    run: (count, atOnce) =>
      helper.send({ urls: Array<string>(count).fill(""), concurrency: Math.min(atOnce, availableParallelism()) }),
    stop: () => helper.stop(),
  };
}

/** Measures a file in both ways, in alternating rounds. */
async function compare(decoder: Decoder, { label, body }: File): Promise<string[]> {
  const format = sniff(body);
  if (!format) throw new Error(`${label} has no known signature`);
  const own = await inProcess(body);
  const contenders = [inWorkers(decoder, body, format), own];
  const found = contenders.map(() => ({ latencies: [] as number[], rates: [] as number[] }));
  for (let round = -1; round < rounds; round += 1) {
    for (const [index, contender] of contenders.entries()) {
      const first = await contender.run(1, 1);
      const count = Math.max(1, Math.round(roundMs / first.elapsedMs));
      const { latenciesMs, incomplete } = await contender.run(count, 1);
      const { elapsedMs } = await contender.run(2 * count, concurrency);
      if (incomplete > 0) throw new Error(`${label} has no hash`);
      if (round < 0) continue; // warm-up
      found[index]!.latencies.push(median(latenciesMs));
      found[index]!.rates.push((2 * count) / (elapsedMs / 1000));
    }
  }
  own.stop();
  const [ours, inside] = found as [(typeof found)[number], (typeof found)[number]];
  return [
    label,
    spread(ours.latencies, 1),
    spread(inside.latencies, 1),
    (median(ours.latencies) / median(inside.latencies)).toFixed(2),
    spread(ours.rates),
    spread(inside.rates),
    (median(ours.rates) / median(inside.rates)).toFixed(2),
  ];
}

printMachine();
const ends: (() => Promise<void>)[] = [];
const decoder = await startDecoder((end) => ends.push(end), { decodeTimeoutMs: 60_000 });
try {
  const rows = [];
  for (const file of await makeFiles()) rows.push(await compare(decoder, file));
  printTable(
    `Decoding and hashing from memory; ${rounds} alternating rounds: median (minimum – maximum)`,
    [
      "file",
      "one at a time, in a worker, ms",
      "in process, ms",
      "ratio",
      `${concurrency} concurrent, in workers, a second`,
      "in process, a second",
      "ratio",
    ],
    rows,
  );
} finally {
  for (const end of ends) await end();
}
