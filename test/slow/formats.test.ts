import { afterAll, beforeAll, expect, test } from "vitest";
import type { Decoder } from "../../src/media/decoder.ts";
import { type MeasuredName, decodableFormats } from "../../src/media/formats.ts";
import { sniff } from "../../src/media/sniff.ts";
import { ffmpeg, formatNamed, startDecoder } from "../support/decoder.ts";
import { flipped, mediaFiles } from "../support/media-files.ts";
import { requires } from "../support/require.ts";
import { healthyPng } from "../support/siege.ts";

const decodeTimeoutMs = 3000;
let decoder: Decoder;
let end = () => Promise.resolve();
beforeAll(async () => {
  decoder = await startDecoder((close) => (end = close), { formats: decodableFormats, decodeTimeoutMs });
});
afterAll(() => end());

const lacksFfmpeg = requires("ffmpeg", ffmpeg !== null);
const lying = [0, 0xff, 0x7f, 1];

/** A length, a count or a size somewhere in the first kilobyte is another. */
function* lies(body: Uint8Array): Generator<Uint8Array> {
  for (let at = 0; at < Math.min(1024, body.length - 4); at += 16) {
    for (const value of lying) {
      const copy = Uint8Array.from(body);
      copy.fill(value, at, at + 4);
      yield copy;
    }
  }
}

function* broken(body: Uint8Array): Generator<Uint8Array> {
  for (let share = 1; share < 40; share += 1) yield body.subarray(0, Math.ceil((body.length * share) / 40));
  for (let seed = 1; seed <= 100; seed += 1) yield flipped(body, seed);
  yield* lies(body);
}

test.each(Object.keys(mediaFiles) as MeasuredName[])(
  "hundreds of broken files of the format %s hold nobody up",
  async (name) => {
    const { make, needsFfmpeg } = mediaFiles[name];
    if (needsFfmpeg && lacksFfmpeg) return;
    const body = await make();
    const format = sniff(body)!;
    for (const variant of broken(body)) {
      const began = performance.now();
      await decoder.describe(variant, format);
      expect(performance.now() - began).toBeLessThan(4 * decodeTimeoutMs);
    }
    expect(await decoder.describe(healthyPng, formatNamed("png"))).toMatchObject({ width: 64, warning: null });
  },
);
