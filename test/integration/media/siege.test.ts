import { expect, test } from "vitest";
import { makeBombs } from "../../support/bombs.ts";
import { formatNamed, startAllWorkers, startDecoder } from "../../support/decoder.ts";
import { healthyPng, killEverySecond } from "../../support/siege.ts";

// Latencies during a minute of both, and with SVG: test/slow.

test("healthy pictures are described while most of 20 pixel bombs still wait or are decoded", async ({
  onTestFinished,
}) => {
  const bombs = await makeBombs();
  expect(bombs.length).toBeGreaterThanOrEqual(20);
  const decoder = await startDecoder(onTestFinished, { decodeTimeoutMs: 3000 });
  await startAllWorkers(decoder, 3);
  const ended: string[] = [];
  const all = bombs.map(async ({ name, body, format }) => {
    const { warning } = await decoder.describe(body, formatNamed(format));
    ended.push(`${name}: ${warning ?? "described"}`);
  });
  for (let count = 0; count < 4; count += 1) {
    const { blurhash } = await decoder.describe(healthyPng, formatNamed("png"));
    expect(blurhash).not.toBeNull();
  }
  expect(ended.length).toBeLessThan(bombs.length / 2);
  await Promise.all(all);
  expect(ended).toContain("AVIF of 50 megapixels: too_many_pixels");
});

test("a kill of a worker every second costs at most one picture a kill", async ({ onTestFinished }) => {
  const decoder = await startDecoder(onTestFinished);
  await startAllWorkers(decoder, 3);
  const { kills, incomplete } = await killEverySecond(decoder, 5000);
  expect(kills).toBeGreaterThanOrEqual(3);
  expect(incomplete).toBeLessThanOrEqual(kills);
  expect(decoder.isReady).toBe(true);
});
