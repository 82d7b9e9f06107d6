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
import { hasCorpus } from "../../support/corpus.ts";
import { ffmpeg } from "../../support/decoder.ts";
import { requires } from "../../support/require.ts";

const lacks = [requires("corpus of real media", hasCorpus), requires("ffprobe", ffmpeg !== null)].some(Boolean);

describe.skipIf(lacks)("over real media", () => {
  let comparisons: Comparison[];
  beforeAll(async () => {
    comparisons = await compareCorpus();
    const table = accuracyTable(comparisons);
    printTable("What is told of real media", accuracyHeader, table);
  }, 240_000);

  const wrong = (is: (comparison: Comparison) => boolean | null) =>
    comparisons.filter((one) => is(one) === false).map(({ row, reply }) => ({ file: row.file, reply }));

  test("the type is right for every file", () => {
    expect(wrong(({ isTypeRight }) => isTypeRight)).toEqual([]);
  });

  test("the bytes are counted right for every file", () => {
    expect(wrong(({ isBytesRight }) => isBytesRight)).toEqual([]);
  });

  test("the dimensions are as displayed for every file that has some", () => {
    expect(wrong(({ isSizeRight }) => isSizeRight)).toEqual([]);
  });

  test("the duration is within 50 ms or a hundredth of what ffprobe says, for every file that lasts", () => {
    expect(wrong(({ isDurationRight }) => isDurationRight)).toEqual([]);
  });

  test("a picture with several frames that are played is called animated", () => {
    const played = ["image/gif", "image/apng", "image/webp", "image/avif", "image/jxl"];
    const still = (one: Comparison) => !played.includes(one.row.type) || one.row.frames === null || one.row.frames < 2;
    expect(wrong((one) => still(one) || one.reply.animated === true)).toEqual([]);
  });

  test("of the files with a reference whose format is on, 98 of 100 have a hash", () => {
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
