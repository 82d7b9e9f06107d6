import { afterAll, beforeAll, describe, test } from "vitest";
import type { Decoder } from "../../src/media/decode/decoder.ts";
import { decodableFormats } from "../../src/media/formats/index.ts";
import { hasCorpus } from "../support/corpus.ts";
import { startDecoder } from "../support/decoder.ts";
import { expectWithinLimits, hostileRows } from "../support/hostile-pictures.ts";

let decoder: Decoder;
let end = () => Promise.resolve();
beforeAll(async () => {
  // 3 s, as the limits in the corpus allow: SVG, which operators can enable, is slow to decode.
  if (hasCorpus)
    decoder = await startDecoder((close) => (end = close), { formats: decodableFormats, decodeTimeoutMs: 3000 });
});
afterAll(() => end());

describe.skipIf(!hasCorpus)("hostile files with all formats enabled, including SVG and TIFF (needs the corpus)", () => {
  test.each(hostileRows)("the hostile file $file ends as $expected, within its limits of time and memory", (row) =>
    expectWithinLimits(decoder, row, decodableFormats),
  );
});
