import { expect, test } from "vitest";
import { makeBombs, makeSvgBombs } from "../support/bombs.ts";
import { allIdle, formatNamed, startDecoder } from "../support/decoder.ts";
import { besiege, killEverySecond, quantileOf } from "../support/siege.ts";

const minuteMs = 60_000;
const byDefault = ["jpeg", "png", "webp", "gif", "avif"] as const;

test.each([
  ["the formats that are on by default", byDefault, makeBombs],
  ["SVG too", [...byDefault, "svg"], async () => [...(await makeBombs()), ...makeSvgBombs()]],
] as const)(
  "a healthy picture beside bombs in a loop for a minute is described within 250 ms in 99 of 100 cases: %s",
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

test("a process killed every second for a minute costs at most one picture a kill", async ({ onTestFinished }) => {
  const decoder = await startDecoder(onTestFinished);
  await allIdle(decoder);
  const { kills, incomplete } = await killEverySecond(decoder, minuteMs);
  expect(kills).toBeGreaterThan(50);
  expect(incomplete).toBeLessThanOrEqual(kills);
});
