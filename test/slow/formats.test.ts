import { afterAll, beforeAll, expect, test } from "vitest";
import type { Decoder } from "../../src/media/decode/decoder.ts";
import { type MeasuredName, decodableFormats } from "../../src/media/formats/index.ts";
import { sniff } from "../../src/media/formats/sniff.ts";
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
const overwrittenBytes = [0, 0xff, 0x7f, 1];

/** Overwrites four bytes somewhere in the first kilobyte, where files have lengths, counts and sizes. */
function* withWrongLengths(body: Uint8Array): Generator<Uint8Array> {
  for (let at = 0; at < Math.min(1024, body.length - 4); at += 32) {
    for (const value of overwrittenBytes) {
      const copy = Uint8Array.from(body);
      copy.fill(value, at, at + 4);
      yield copy;
    }
  }
}

/** Yields truncated copies, copies with flipped bits, and copies with wrong lengths. */
function* broken(body: Uint8Array): Generator<Uint8Array> {
  for (let share = 1; share < 20; share += 1) yield body.subarray(0, Math.ceil((body.length * share) / 20));
  for (let seed = 1; seed <= 60; seed += 1) yield flipped(body, seed);
  yield* withWrongLengths(body);
}

test.each(Object.keys(mediaFiles) as MeasuredName[])(
  "hundreds of broken files of the format %s are rejected in bounded time, and the decoder keeps working",
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
