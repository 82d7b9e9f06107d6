import { afterAll, beforeAll, expect, test } from "vitest";
import { type Storm, startStorm, waitForSilentNames } from "../../bench/support/storm.ts";

// Lateness is measured by the service's own Server-Timing: the caller's time would include the time that a thousand
// concurrent requests wait for a processor, which depends on the machine.
const lateMs = 250;
const megabyte = 1_000_000;
const descriptorsOfWorker = 8; // meanwhile a second worker may have started

let storm: Storm;
beforeAll(async () => {
  storm = await startStorm();
});
afterAll(async () => {
  await storm.stop();
});

test("1000 slow-drip bodies end by the fetch deadline, take less than 100 MB, and do not disturb healthy lookups", async () => {
  const figures = await storm.rage(["dripping"], 1000);
  expect(figures.ends).toEqual({ body_timeout: 1000 });
  expect(figures.lateMs).toBeLessThan(lateMs);
  expect(figures.memoryGrowthBytes).toBeLessThan(100 * megabyte);
  expect(figures.descriptorsAfter).toBeLessThanOrEqual(figures.descriptorsBefore + descriptorsOfWorker);
  expect(figures.healthyFailed).toBe(0);
});

test("64 bodies of a megabyte in chunks of one byte are aborted and take less than 200 MB", async () => {
  const figures = await storm.rage(["crumbs"], 64);
  const known = ["body_truncated", "body_timeout"];
  expect(Object.keys(figures.ends).filter((end) => !known.includes(end))).toEqual([]);
  expect(figures.memoryGrowthBytes).toBeLessThan(200 * megabyte);
  expect(figures.healthyFailed).toBe(0);
});

test("100 endless and 100 oversized declared bodies take at most the byte budget and 64 MB", async () => {
  const { ends, memoryGrowthBytes } = await storm.rage(["endless", "announced"], 100);
  const known = ["overloaded", "body_too_large", "body_timeout", "source_unreachable"]; // the last two at the fetch deadline
  expect(Object.keys(ends).filter((end) => !known.includes(end))).toEqual([]);
  expect(memoryGrowthBytes).toBeLessThan(256 * 1024 ** 2 + 64 * megabyte);
});

test("500 lookups of names whose DNS server does not respond raise the p95 of a healthy name by less than 150 ms", async () => {
  const { silent, aloneMs, besideMs } = await waitForSilentNames(500, storm.origins.healthy);
  expect(silent).toBe(500);
  expect(besideMs - aloneMs).toBeLessThan(150);
});
