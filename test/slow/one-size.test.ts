import { afterAll, beforeAll, expect, test } from "vitest";
import type { Decoder } from "../../src/media/decode/decoder.ts";
import { type Format, decodableFormats } from "../../src/media/formats/index.ts";
import { sniff } from "../../src/media/formats/sniff.ts";
import { factsOf } from "../../src/reading.ts";
import { corpusBytes, corpusRows, corpus } from "../support/corpus.ts";
import { startDecoder } from "../support/decoder.ts";
import { pictureNames } from "../support/plans.ts";
import { arrivalOf, firstBytes } from "../support/read-plans.ts";
import { describeWith } from "../support/require.ts";

let decoder: Decoder;
let end = () => Promise.resolve();
beforeAll(async () => {
  decoder = await startDecoder((close) => (end = close), { formats: decodableFormats });
});
afterAll(() => end());

/** The size that an early answer has from the first bytes; empty if they do not show it. */
function earlySize(file: Buffer, format: Format) {
  const { width, height } = format.plan.facts(arrivalOf(file, firstBytes)).known;
  return { ...(width !== undefined && { width }), ...(height !== undefined && { height }) };
}

const rows = corpusRows().flatMap((row) => {
  const name = sniff(corpusBytes(row))?.name;
  return pictureNames.some((picture) => picture === name) ? [row] : [];
});

describeWith(corpus, "the size of a file", () => {
  test.each(rows)("the first bytes of $file have the same size as the whole file", async (row) => {
    const file = corpusBytes(row);
    const format = sniff(file)!;
    const whole = factsOf(await decoder.describe(Buffer.from(file), format));
    expect(whole).toMatchObject(earlySize(file, format));
  });
});
