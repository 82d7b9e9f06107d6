/**
 * `npm run bench:early`: error of the BlurHash from the first scans of a progressive JPEG, compared with that of the whole file,
 * and the share of the file that is read. The rule in `src/media/formats/progressive.ts` comes from this table (needs the corpus).
 */
import sharp, { type JpegOptions } from "sharp";
import { beginningOf } from "../src/media/formats/progressive.ts";
import { sniff } from "../src/media/formats/sniff.ts";
import { corpusBytes, corpusRows } from "../test/support/corpus.ts";
import { formatNamed, startDecoder } from "../test/support/decoder.ts";
import { blurhashError } from "../test/support/images.ts";
import { median, printTable, quantile } from "./support/table.ts";

/** Common encoders of progressive JPEGs. */
const encoders: Readonly<Record<string, JpegOptions>> = {
  "libjpeg, quality 50": { progressive: true, quality: 50 },
  "libjpeg, quality 80": { progressive: true, quality: 80 },
  "libjpeg, quality 92, 4:4:4": { progressive: true, quality: 92, chromaSubsampling: "4:4:4" },
  "mozjpeg, quality 75": { mozjpeg: true, quality: 75 },
  "mozjpeg, quality 88": { mozjpeg: true, quality: 88 },
};

interface Trial {
  readonly encoder: string;
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

/** Compares the two hashes of a file; null if the rule does not apply to it. */
async function compareHashes(encoder: string, body: Uint8Array): Promise<Trial | null> {
  const beginning = beginningOf(body, body.byteLength);
  if (!beginning) return null;
  const [whole, early] = [await hashOf(body), await hashOf(beginning)];
  if (whole === null || early === null) return null;
  return { encoder, bytes: body.byteLength, read: beginning.byteLength, error: blurhashError(early, whole) };
}

const trials: Trial[] = [];
let tried = 0;
for (const row of corpusRows().filter(({ kind }) => kind === "image")) {
  const body = corpusBytes(row);
  if (!sniff(body)?.decoding) continue;
  const sources: [encoder: string, body: Uint8Array][] = [["original file", body]];
  for (const [encoder, options] of Object.entries(encoders)) {
    const encoded = await sharp(body)
      .jpeg(options)
      .toBuffer()
      .catch(() => null);
    if (encoded) sources.push([encoder, encoded]);
  }
  for (const [encoder, source] of sources) {
    tried += 1;
    const trial = await compareHashes(encoder, source);
    if (trial) trials.push(trial);
  }
}
await Promise.all(ends.map((end) => end()));

function figures(group: readonly Trial[]): string[] {
  const errors = group.map(({ error }) => error);
  const shares = group.map(({ bytes, read }) => read / bytes);
  const percent = (share: number) => `${(100 * share).toFixed(0)} %`;
  return [
    String(group.length),
    median(errors).toFixed(2),
    quantile(errors, 0.95).toFixed(2),
    Math.max(...errors).toFixed(2),
    percent(median(shares)),
    percent(quantile(shares, 0.95)),
  ];
}

// Errors are mean differences, 0 to 255, between hashes decoded to 32 x 32.
const errors = trials.map(({ error }) => error);
const limits: readonly (readonly [name: string, measured: number, maximum: number])[] = [
  ["median error", median(errors), 0.7],
  ["error, p95", quantile(errors, 0.95), 3],
  ["largest error", Math.max(...errors), 5],
  ["share of bytes read, median", median(trials.map(({ bytes, read }) => read / bytes)), 0.2],
];

const rows = ["original file", ...Object.keys(encoders)].flatMap((encoder) => {
  const group = trials.filter((trial) => trial.encoder === encoder);
  return group.length === 0 ? [] : [[encoder, ...figures(group)]];
});
printTable(
  `BlurHash from the first scans of a progressive JPEG, compared with the whole file's: ${trials.length} of ${tried} files`,
  ["encoder", "files", "error, median", "p95", "maximum", "read, median", "p95"],
  [...rows, ["all", ...figures(trials)]],
);
console.log();
for (const [name, measured, maximum] of limits) {
  console.log(`${measured <= maximum ? "met   " : "MISSED"} ${name}: ${measured.toFixed(2)} (at most ${maximum})`);
  if (measured > maximum) process.exitCode = 1;
}
