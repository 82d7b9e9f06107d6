/**
 * `npm run bench:early`: how far the hash by the beginning of a progressive JPEG is from the whole file's, and how much of the
 * file that takes. The rule of `src/media/progressive.ts` is read off this table (needs the corpus).
 */
import sharp, { type JpegOptions } from "sharp";
import { beginningOf } from "../src/media/progressive.ts";
import { sniff } from "../src/media/sniff.ts";
import { corpusBytes, corpusRows } from "../test/support/corpus.ts";
import { formatNamed, startDecoder } from "../test/support/decoder.ts";
import { blurhashError } from "../test/support/images.ts";
import { median, printTable, quantile } from "./support/table.ts";

/** How people's files come to be progressive. */
const makers: Readonly<Record<string, JpegOptions>> = {
  "libjpeg, quality 50": { progressive: true, quality: 50 },
  "libjpeg, quality 80": { progressive: true, quality: 80 },
  "libjpeg, quality 92, 4:4:4": { progressive: true, quality: 92, chromaSubsampling: "4:4:4" },
  "mozjpeg, quality 75": { mozjpeg: true, quality: 75 },
  "mozjpeg, quality 88": { mozjpeg: true, quality: 88 },
};

interface Trial {
  readonly maker: string;
  readonly bytes: number;
  readonly read: number;
  readonly error: number;
}

const ends: (() => Promise<void>)[] = [];
const decoder = await startDecoder((end) => ends.push(end));
const jpeg = formatNamed("jpeg");

async function hashOf(body: Uint8Array): Promise<string | null> {
  return (await decoder.describe(body, jpeg)).blurhash;
}

/** Null where the rule does not take it. */
async function tryOut(maker: string, body: Uint8Array): Promise<Trial | null> {
  const beginning = beginningOf(body, body.byteLength);
  if (!beginning) return null;
  const [whole, early] = [await hashOf(body), await hashOf(beginning)];
  if (whole === null || early === null) return null;
  return { maker, bytes: body.byteLength, read: beginning.byteLength, error: blurhashError(early, whole) };
}

const trials: Trial[] = [];
let tried = 0;
for (const row of corpusRows().filter(({ kind }) => kind === "image")) {
  const body = corpusBytes(row);
  if (!sniff(body)?.decoding) continue;
  const sources: [maker: string, body: Uint8Array][] = [["as found", body]];
  for (const [maker, options] of Object.entries(makers)) {
    const made = await sharp(body)
      .jpeg(options)
      .toBuffer()
      .catch(() => null);
    if (made) sources.push([maker, made]);
  }
  for (const [maker, source] of sources) {
    tried += 1;
    const trial = await tryOut(maker, source);
    if (trial) trials.push(trial);
  }
}
await Promise.all(ends.map((end) => end()));

function figures(of: readonly Trial[]): string[] {
  const errors = of.map(({ error }) => error);
  const shares = of.map(({ bytes, read }) => read / bytes);
  const percent = (share: number) => `${(100 * share).toFixed(0)} %`;
  return [
    String(of.length),
    median(errors).toFixed(2),
    quantile(errors, 0.95).toFixed(2),
    Math.max(...errors).toFixed(2),
    percent(median(shares)),
    percent(quantile(shares, 0.95)),
  ];
}

// What is promised; errors are 0 to 255, of hashes decoded to 32 x 32.
const errors = trials.map(({ error }) => error);
const promises: readonly (readonly [what: string, measured: number, most: number])[] = [
  ["median error", median(errors), 0.7],
  ["error, p95", quantile(errors, 0.95), 3],
  ["largest error", Math.max(...errors), 5],
  ["share of the bytes that is read, median", median(trials.map(({ bytes, read }) => read / bytes)), 0.2],
];

const rows = ["as found", ...Object.keys(makers)].flatMap((maker) => {
  const of = trials.filter((trial) => trial.maker === maker);
  return of.length === 0 ? [] : [[maker, ...figures(of)]];
});
printTable(
  `Hash by the beginning of a progressive JPEG, against the whole file's: ${trials.length} of ${tried} that were tried`,
  ["made by", "files", "error, median", "p95", "most", "read, median", "p95"],
  [...rows, ["all", ...figures(trials)]],
);
console.log();
for (const [what, measured, most] of promises) {
  console.log(`${measured <= most ? "kept  " : "BROKEN"} ${what}: ${measured.toFixed(2)}, promised at most ${most}`);
  if (measured > most) process.exitCode = 1;
}
