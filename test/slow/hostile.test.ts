import { afterAll, beforeAll, describe, test } from "vitest";
import type { Decoder } from "../../src/media/decoder.ts";
import { decodableFormats } from "../../src/media/formats.ts";
import { hasCorpus } from "../support/corpus.ts";
import { startDecoder } from "../support/decoder.ts";
import { expectWithinLimits, hostileRows } from "../support/hostile-pictures.ts";

let decoder: Decoder;
let end = () => Promise.resolve();
beforeAll(async () => {
  // An operator who switches SVG on must know that it takes its time: 3 s are what the limits of the files say.
  if (hasCorpus)
    decoder = await startDecoder((close) => (end = close), { formats: decodableFormats, decodeTimeoutMs: 3000 });
});
afterAll(() => end());

describe.skipIf(!hasCorpus)("hostile files with all formats on, SVG and TIFF too (needs the corpus)", () => {
  test.each(hostileRows)("$file: $expected, within its limits", (row) =>
    expectWithinLimits(decoder, row, decodableFormats),
  );
});
