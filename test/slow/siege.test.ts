import { expect, test } from "vitest";
import { makeBombs, makeSvgBombs } from "../support/bombs.ts";
import { allIdle, formatNamed, startDecoder } from "../support/decoder.ts";
import { besiege, killEverySecond, quantileOf } from "../support/siege.ts";

const minuteMs = 60_000;
const defaultFormats = ["jpeg", "png", "webp", "gif", "avif"] as const;

test.each([
  ["the default formats", defaultFormats, makeBombs],
  ["the default formats and SVG", [...defaultFormats, "svg"], async () => [...(await makeBombs()), ...makeSvgBombs()]],
] as const)(
  "99 % of healthy pictures are described within 250 ms during a minute of pixel bombs in %s",
  async (_, formats, make) => {
    const ends: (() => Promise<void>)[] = [];
    const bombs = await make();
    const decoder = await startDecoder((end) => ends.push(end), { formats, decodeTimeoutMs: 10_000 });
    await allIdle(decoder);
    const siege = await besiege(({ body, format }) => decoder.describe(body, formatNamed(format)), bombs, minuteMs);
    expect(quantileOf(siege.latencies, 0.99)).toBeLessThanOrEqual(250);
    expect(siege.incomplete).toBe(0);
    for (const end of ends) await end();
  },
);

test("each kill of a decoder worker costs at most one picture", async ({ onTestFinished }) => {
  const decoder = await startDecoder(onTestFinished);
  await allIdle(decoder);
  const { kills, incomplete } = await killEverySecond(decoder, minuteMs);
  expect(kills).toBeGreaterThan(50);
  expect(incomplete).toBeLessThanOrEqual(kills);
});
