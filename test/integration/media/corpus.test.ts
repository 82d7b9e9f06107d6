import { afterAll, beforeAll, expect, test } from "vitest";
import type { Decoder } from "../../../src/media/decode/decoder.ts";
import { decodableFormats } from "../../../src/media/formats/index.ts";
import { corpus } from "../../support/corpus.ts";
import { startDecoder } from "../../support/decoder.ts";
import { expectWithinLimits, hostileRows } from "../../support/hostile-pictures.ts";
import { describeWith } from "../../support/require.ts";

// The metadata of the real files: test/e2e/service/corpus.test.ts.
const offByDefault = ["svg", "tiff"];
const on = decodableFormats.filter((name) => !offByDefault.includes(name));

let decoder: Decoder;
let end = () => Promise.resolve();
beforeAll(async () => {
  if (corpus.isPresent) decoder = await startDecoder((close) => (end = close));
});
afterAll(() => end());

// With SVG and TIFF enabled too: test/slow.
describeWith(corpus, "hostile files", () => {
  test.each(hostileRows)("$file: $expected, within the limits", (row) => expectWithinLimits(decoder, row, on));

  test("the formats that are disabled by default can be enabled", () => {
    expect(decodableFormats).toEqual(expect.arrayContaining(offByDefault));
  });
});
