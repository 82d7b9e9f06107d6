import { beforeAll, describe, expect, test } from "vitest";
import {
  accuracyTable,
  accuracyHeader,
  type Comparison,
  compareCorpus,
  quantile,
  reliableErrors,
} from "../../support/accuracy.ts";
import { printTable } from "../../../bench/support/table.ts";
import { corpus } from "../../support/corpus.ts";
import { ffmpeg } from "../../support/decoder.ts";
import { requires } from "../../support/require.ts";

const lacks = [requires(corpus.name, corpus.isPresent), requires("ffprobe", ffmpeg !== null)].some(Boolean);

describe.skipIf(lacks)("over real media", () => {
  let comparisons: Comparison[];
  beforeAll(async () => {
    comparisons = await compareCorpus();
    const table = accuracyTable(comparisons);
    printTable("Accuracy over real media files", accuracyHeader, table);
  }, 600_000);

  const wrong = (is: (comparison: Comparison) => boolean | null) =>
    comparisons.filter((one) => is(one) === false).map(({ row, reply }) => ({ file: row.file, reply }));

  test("the service returns the right type for every corpus file", () => {
    expect(wrong(({ isTypeRight }) => isTypeRight)).toEqual([]);
  });

  test("the service counts the right bytes for every corpus file", () => {
    expect(wrong(({ isBytesRight }) => isBytesRight)).toEqual([]);
  });

  test("the service returns the displayed dimensions of every corpus file with a size", () => {
    expect(wrong(({ isSizeRight }) => isSizeRight)).toEqual([]);
  });

  test("the duration differs from ffprobe's by at most 50 ms or 1 %", () => {
    expect(wrong(({ isDurationRight }) => isDurationRight)).toEqual([]);
  });

  test("a picture with several played frames is reported as animated", () => {
    const played = ["image/gif", "image/apng", "image/webp", "image/avif", "image/jxl"];
    const still = (one: Comparison) => !played.includes(one.row.type) || one.row.frames === null || one.row.frames < 2;
    expect(wrong((one) => still(one) || one.reply.animated === true)).toEqual([]);
  });

  test("98 % of the files with a reference and an enabled format have a hash", () => {
    const expected = comparisons.filter(({ isHashExpected }) => isHashExpected);
    const had = expected.filter(({ reply }) => reply.blurhash !== null);
    expect(expected.length).toBeGreaterThan(90);
    expect(had.length / expected.length).toBeGreaterThanOrEqual(0.98);
  });

  test("the blurhash is close to the one of the full resolution", () => {
    const errors = reliableErrors(comparisons);
    expect(quantile(errors, 0.5)).toBeLessThanOrEqual(3);
    expect(quantile(errors, 0.95)).toBeLessThanOrEqual(7);
    expect(errors.at(-1)).toBeLessThanOrEqual(20);
  });
});
