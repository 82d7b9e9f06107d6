import { decode } from "blurhash";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Decoder } from "../../../src/media/decode/decoder.ts";
import { type MeasuredName, decodableFormats } from "../../../src/media/formats/index.ts";
import { sniff } from "../../../src/media/formats/sniff.ts";
import { ffmpeg, startDecoder } from "../../support/decoder.ts";
import { colour, flipped, mediaFiles } from "../../support/media-files.ts";
import { requires } from "../../support/require.ts";

let decoder: Decoder;
let end = () => Promise.resolve();
beforeAll(async () => {
  decoder = await startDecoder((close) => (end = close), { formats: decodableFormats });
});
afterAll(() => end());

const lacksFfmpeg = requires("ffmpeg", ffmpeg !== null);
const names = Object.keys(mediaFiles) as MeasuredName[];

describe.each(names)("a file of the format %s", (name) => {
  const { make, size, durationMs, animated, hash, needsFfmpeg } = mediaFiles[name];

  test.skipIf(needsFfmpeg && lacksFfmpeg)("the file is sniffed as its format, and described", async () => {
    const body = await make();
    const format = sniff(body)!;
    expect(format.name).toBe(name);
    const described = await decoder.describe(body, format);
    expect(described).toMatchObject({ width: size?.width ?? null, height: size?.height ?? null, animated });
    if (durationMs === null) expect(described.durationMs).toBeNull();
    else expect(Math.abs(described.durationMs! - durationMs)).toBeLessThan(180); // encoders add padding at the ends
    expect(described.blurhash !== null).toBe(hash !== "none");
    if (!described.blurhash) return;
    const average = decode(`00${described.blurhash.slice(2, 6)}`, 1, 1).subarray(0, 3);
    average.forEach((value, channel) => expect(Math.abs(value - colour[channel]!)).toBeLessThan(12));
    expect(described.thumbhash).toMatch(/^[A-Za-z0-9+/]+=*$/);
    expect(described.warning).toBeNull();
  });

  test.skipIf(needsFfmpeg && lacksFfmpeg)(
    "a truncated file or one with flipped bits does not block the decoder",
    async () => {
      const body = await make();
      const format = sniff(body)!;
      const cut = [0.03, 0.5, 0.98].map((share) => body.subarray(0, Math.ceil(body.length * share)));
      for (const broken of [...cut, flipped(body, 1), flipped(body, 2)]) {
        await decoder.describe(broken, format);
      }
      expect(decoder.isReady).toBe(true);
    },
  );
});
