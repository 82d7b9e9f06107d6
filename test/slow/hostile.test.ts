import { afterAll, beforeAll, test } from "vitest";
import type { Decoder } from "../../src/media/decode/decoder.ts";
import { decodableFormats } from "../../src/media/formats/index.ts";
import { corpus } from "../support/corpus.ts";
import { startDecoder } from "../support/decoder.ts";
import { expectWithinLimits, hostileRows } from "../support/hostile-pictures.ts";
import { describeWith } from "../support/require.ts";

let decoder: Decoder;
let end = () => Promise.resolve();
beforeAll(async () => {
  // 3 s, as the limits in the corpus allow: SVG, which operators can enable, is slow to decode.
  if (corpus.isPresent)
    decoder = await startDecoder((close) => (end = close), { formats: decodableFormats, decodeTimeoutMs: 3000 });
});
afterAll(() => end());

describeWith(corpus, "hostile files with all formats enabled, including SVG and TIFF", () => {
  test.each(hostileRows)("the hostile file $file ends as $expected, within its limits of time and memory", (row) =>
    expectWithinLimits(decoder, row, decodableFormats),
  );
});
