import { expect, test } from "vitest";
import { makeBombs } from "../../support/bombs.ts";
import { allIdle, formatNamed, startDecoder } from "../../support/decoder.ts";
import { besiege, killEverySecond, quantileOf } from "../../support/siege.ts";

// For a minute each, and with SVG: test/slow.

test("a healthy picture beside twenty bombs in a loop is described soon, each time", async ({ onTestFinished }) => {
  const bombs = await makeBombs();
  expect(bombs.length).toBeGreaterThanOrEqual(20);
  const decoder = await startDecoder(onTestFinished, { decodeTimeoutMs: 3000 });
  await allIdle(decoder);
  const siege = await besiege(({ body, format }) => decoder.describe(body, formatNamed(format)), bombs, 8000);
  expect(quantileOf(siege.latencies, 0.95)).toBeLessThanOrEqual(250); // the tests beside this one take a core
  expect(siege.incomplete).toBe(0);
  const ends = [...siege.ends.keys()];
  expect(ends).toContain("AVIF of 50 megapixels: too_many_pixels");
  expect(new Set(ends.map((end) => end.split(":")[0])).size).toBe(bombs.length); // none waits for ever
}, 60_000);

test("a process killed every second costs at most one picture a kill", async ({ onTestFinished }) => {
  const decoder = await startDecoder(onTestFinished);
  await allIdle(decoder);
  const { kills, incomplete } = await killEverySecond(decoder, 5000);
  expect(kills).toBeGreaterThanOrEqual(3);
  expect(incomplete).toBeLessThanOrEqual(kills);
  expect(decoder.isReady).toBe(true);
});
