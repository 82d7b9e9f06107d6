import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Decoder, Picture } from "../../../src/media/decoder.ts";
import { decodableFormats } from "../../../src/media/formats.ts";
import { sniff } from "../../../src/media/sniff.ts";
import { type CorpusRow, corpusBytes, corpusRows, hasCorpus } from "../../support/corpus.ts";
import { startDecoder } from "../../support/decoder.ts";
import { expectWithinLimits, hostileRows } from "../../support/hostile-pictures.ts";
import { blurhashError } from "../../support/images.ts";

// libvips does not open AVIF sequences, nor Apple's variant of PNG.
const unreadable = /\.avifs$|animated-8bpc\.avif$|sample_fried\.png$/;
const on = ["jpeg", "png", "webp", "gif", "avif"];

let decoder: Decoder;
let end = () => Promise.resolve();
beforeAll(async () => {
  if (hasCorpus) decoder = await startDecoder((close) => (end = close));
});
afterAll(() => end());

async function describeRow(row: CorpusRow): Promise<Picture> {
  const body = corpusBytes(row);
  return decoder.describe(body, sniff(body)!);
}

const isOn = (row: CorpusRow) => on.includes(sniff(corpusBytes(row))?.decoding?.setting ?? "");

describe.skipIf(!hasCorpus)("real pictures (needs the corpus)", () => {
  const rows = corpusRows().filter((row) => row.kind === "image" && !unreadable.test(row.file) && isOn(row));
  const errors: { format: string; error: number }[] = [];

  test.each(rows)("$file has its size as displayed, and the hash of all its pixels", async (row) => {
    const picture = await describeRow(row);
    expect(picture).toMatchObject({ width: row.displayWidth, height: row.displayHeight, warning: null });
    expect(picture.thumbhash).toMatch(/^[A-Za-z0-9+/]+=*$/);
    if (row.blurhashFull43 === undefined || row.blurhashUncertain) return;
    const error = blurhashError(picture.blurhash!, row.blurhashFull43);
    errors.push({ format: row.type, error });
    expect(error).toBeLessThan(20);
  });

  test("the error of the hashes, of 255: a table", () => {
    const formats = [...new Set(errors.map(({ format }) => format)), "all"];
    const table = formats.map((format) => {
      const sorted = errors
        .filter((row) => format === "all" || row.format === format)
        .map(({ error }) => error)
        .sort((a, b) => a - b);
      const at = (share: number) => Number(sorted[Math.floor((sorted.length - 1) * share)]!.toFixed(1));
      return { format, pictures: sorted.length, median: at(0.5), p95: at(0.95), max: at(1) };
    });
    console.table(table);
    expect(table.at(-1)!.median).toBeLessThanOrEqual(3);
    expect(table.at(-1)!.p95).toBeLessThanOrEqual(7);
  });
});

// With SVG and TIFF on too: test/slow.
describe.skipIf(!hasCorpus)("hostile files (needs the corpus)", () => {
  test.each(hostileRows)("$file: $expected, within its limits", (row) => expectWithinLimits(decoder, row, on));

  test("the formats that are off by default are among those that can be on", () => {
    expect(decodableFormats).toEqual(expect.arrayContaining([...on, "svg", "tiff"]));
  });
});
