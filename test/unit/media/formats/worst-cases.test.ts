import { beforeAll, describe, expect, test } from "vitest";
import { decodableFormats, type FormatName, formats } from "../../../../src/media/formats/index.ts";
import { beginningOf } from "../../../../src/media/formats/progressive.ts";
import { sniff } from "../../../../src/media/formats/sniff.ts";
import type { Decoder, Picture } from "../../../../src/media/decode/decoder.ts";
import { startDescription } from "../../../../src/domain/description.ts";
import { createReading } from "../../../../src/reading.ts";
import { createFakeSource } from "../../../support/fake-source.ts";
import { asyncCpuMs, cpuMs } from "../../../support/cpu.ts";
import { worstCases } from "../../../support/worst-cases.ts";

// These parsers run in the service's own process: each millisecond blocks the event loop for all callers.
const maxCallMs = 10;
const [less, more] = [64 * 1024, 256 * 1024];
// Clock ticks, the first calls of a function, the garbage of the calls before.
const noiseMs = 0.75;
const noiseFactor = 1.75;

/** The limit for the larger input, from the time of the smaller one: no more than in proportion. */
const limitOf = (ofSmallMs: number) => noiseMs + noiseFactor * (more / less) * ofSmallMs;

const names = formats.map(({ name }) => name);
const plannedNames = formats
  .filter(({ decoding, name }) => decoding !== null || name === "text")
  .map(({ name }) => name);

/** All parsers that the service runs on the first bytes of a format. */
function parsersOf(name: FormatName): Readonly<Record<string, (head: Uint8Array) => unknown>> {
  const format = formats.find((format) => format.name === name)!;
  const { readSize, plan } = format;
  if (!plannedNames.includes(name)) return { sniff }; // all that there is for a format without a read plan
  return {
    sniff,
    readSize: (head) => [readSize, sniff(head)?.readSize].map((read) => read?.(head)),
    beginningOf: (head) => beginningOf(head, null),
    facts: (head) => plan.facts({ prefix: head, parts: [], length: 2 * head.byteLength }),
    preview: (head) => plan.preview({ prefix: head, parts: [], length: 2 * head.byteLength }),
  };
}

const nothing: Picture = {
  ...{ width: null, height: null, animated: null, durationMs: null, blurhash: null, thumbhash: null, thumbnail: null },
  ...{ warning: null, decodeTimeoutCause: null, queueMs: 0, decodeMs: 0, hashMs: 0 },
};
const enabled = Object.fromEntries(decodableFormats.map((name) => [name, true])) as Decoder["enabled"];
const decoder = { enabled, describe: () => Promise.resolve(nothing), measure: () => Promise.resolve(nothing) };

/** Reads a head that drips byte by byte (slow loris). */
async function drip(body: Uint8Array): Promise<void> {
  const source = createFakeSource(body, { step: 1, declaredBytes: null });
  await startDescription(async (progress) => {
    await createReading({ source, fields: null, progress, decoder, patienceMs: 0 }).readHead();
    return progress.learn({});
  }).done;
}

beforeAll(async () => {
  // What the engine has not compiled yet takes several times as long.
  for (let round = 0; round < 3; round += 1) {
    for (const name of names) {
      for (const body of Object.values(worstCases[name](less / 2))) {
        for (const parse of Object.values(parsersOf(name))) parse(body);
        if (plannedNames.includes(name)) await drip(body);
      }
    }
  }
}, 60_000);

describe.each(names)("the work on the first bytes of %s is bounded", (name) => {
  const small = worstCases[name](less);
  const large = worstCases[name](more);

  test.each(Object.keys(parsersOf(name)))("in one call of %s, which grows no faster than its input", (parser) => {
    const parse = parsersOf(name)[parser]!;
    for (const [what, body] of Object.entries(large)) {
      const limit = Math.min(maxCallMs, limitOf(cpuMs(() => parse(small[what]!))));
      const tookMs = cpuMs(() => parse(body), 10, limit);
      expect.soft(tookMs, what).toBeLessThan(limit);
    }
  });

  // Of the formats without a read plan only the sniffing is left, which one of them shows for all.
  if (!plannedNames.includes(name)) return;
  test("for a body that drips, all calls together", async () => {
    for (const [what, body] of Object.entries(large)) {
      const limit = Math.min(2 * maxCallMs, limitOf(await asyncCpuMs(() => drip(small[what]!), 4)));
      const tookMs = await asyncCpuMs(() => drip(body), 8, limit);
      expect.soft(tookMs, what).toBeLessThan(limit);
    }
  });
});
