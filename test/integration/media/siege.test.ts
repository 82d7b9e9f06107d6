import { expect, test } from "vitest";
import { makeBombs } from "../../support/bombs.ts";
import { formatNamed, startAllWorkers, startDecoder } from "../../support/decoder.ts";
import { besiege, killEverySecond, quantileOf } from "../../support/siege.ts";

// The same for a minute each, and with SVG: test/slow.

test("healthy pictures beside 20 pixel bombs in a loop are described within 250 ms (95th percentile)", async ({
  onTestFinished,
}) => {
  const bombs = await makeBombs();
  expect(bombs.length).toBeGreaterThanOrEqual(20);
  const decoder = await startDecoder(onTestFinished, { decodeTimeoutMs: 3000 });
  await startAllWorkers(decoder, 3);
  const siege = await besiege(({ body, format }) => decoder.describe(body, formatNamed(format)), bombs, 5000);
  expect(quantileOf(siege.latencies, 0.95)).toBeLessThanOrEqual(250); // parallel tests take a core
  expect(siege.incomplete).toBe(0);
  const ends = [...siege.ends.keys()];
  expect(ends).toContain("AVIF of 50 megapixels: too_many_pixels");
  expect(new Set(ends.map((end) => end.split(":")[0])).size).toBe(bombs.length); // each bomb has an outcome
}, 60_000);

test("a kill of a worker every second costs at most one picture a kill", async ({ onTestFinished }) => {
  const decoder = await startDecoder(onTestFinished);
  await startAllWorkers(decoder, 3);
  const { kills, incomplete } = await killEverySecond(decoder, 5000);
  expect(kills).toBeGreaterThanOrEqual(3);
  expect(incomplete).toBeLessThanOrEqual(kills);
  expect(decoder.isReady).toBe(true);
});
