import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { type Description, startDescription } from "../../../src/domain/description.ts";
import type { Metadata } from "../../../src/domain/metadata.ts";
import type { Decoder } from "../../../src/media/decode/decoder.ts";
import { sniff } from "../../../src/media/formats/sniff.ts";
import { formatOf } from "../../../src/early-preview.ts";
import { createReading, factsOf } from "../../../src/reading.ts";
import { corpusBytes, corpusRows, corpus } from "../../support/corpus.ts";
import { startDecoder } from "../../support/decoder.ts";
import { createFakeSource, type FakeSource } from "../../support/fake-source.ts";
import { mediaFiles } from "../../support/media-files.ts";
import { requires } from "../../support/require.ts";

// A caller's deadline may pass at any byte: then the answer has everything that the bytes so far can tell.

let decoder: Decoder;
const ends: (() => Promise<void>)[] = [];

beforeAll(async () => {
  decoder = await startDecoder((end) => ends.push(end));
});

afterAll(async () => {
  for (const end of ends) await end();
});

function describeSource(source: FakeSource): Description {
  return startDescription(async (progress) => {
    const reading = createReading({ source, fields: null, progress, decoder, patienceMs: 0 });
    await reading.readHead();
    await reading.readWhole();
    return progress.learn({});
  });
}

/** Everything that the read plan says of the first bytes of a file. */
async function decidableIn(prefix: Uint8Array, length: number): Promise<Partial<Metadata>> {
  const format = sniff(prefix);
  if (!format || format.kind === "text") return {};
  const file = { prefix, parts: [], length };
  const { known, measurable } = format.plan.facts(file);
  const measured = measurable ? factsOf(await decoder.measure(measurable, format)) : {};
  const { excerpt } = format.plan.preview(file);
  const shown = excerpt && (await decoder.describe(excerpt.bytes, formatOf(excerpt) ?? format));
  const hash = expect.any(String) as string;
  return { ...measured, ...known, ...(shown?.blurhash && { blurhash: hash, thumbhash: hash }) };
}

async function expectKnown(body: Uint8Array, cut: number): Promise<void> {
  const expected = await decidableIn(body.subarray(0, cut), body.byteLength);
  const source = createFakeSource(body, { stallsAfter: cut, hasRanges: false });
  const description = describeSource(source);
  await vi.waitFor(() => expect(description.known ?? {}, `after ${cut} bytes`).toMatchObject(expected), {
    timeout: 10_000,
    interval: 20,
  });
  source.timeOut();
  await description.done;
}

/** Cuts near the beginning, where the headers are, and throughout the file. */
function cutsOf(length: number): readonly number[] {
  const cuts = [0.0003, 0.003, 0.02, 0.1, 0.3, 0.6, 0.95].map((share) => Math.ceil(share * length));
  return [...new Set([40, 150, 700, ...cuts, length - 1])].filter((cut) => cut > 0 && cut < length);
}

describe("a body that stalls at any byte is described as far as its read plan decides", () => {
  test.each(Object.entries(mediaFiles))(
    "the answer at a deadline has every fact in the first bytes of a %s file",
    async (_, { make }) => {
      const body = await make();
      await Promise.all(cutsOf(body.byteLength).map((cut) => expectKnown(body, cut)));
    },
  );

  test.skipIf(requires(corpus.name, corpus.isPresent))(
    "the answer at a deadline has every fact in the first bytes of each corpus file",
    async () => {
      for (const row of corpusRows()) {
        const body = corpusBytes(row);
        const cut = Math.ceil(body.byteLength / 3);
        if (body.byteLength < 8_000_000) await expectKnown(body, cut);
      }
    },
    300_000,
  );
});
