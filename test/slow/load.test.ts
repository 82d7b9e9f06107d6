import { afterAll, beforeAll, expect, test } from "vitest";
import { type Storm, startStorm, waitForSilentNames } from "../../bench/support/storm.ts";

// Of how late a fetch ends the service's own clock tells, in Server-Timing: the caller's includes what a thousand
// requests at once wait for a processor, which is for the machine to say.
const lateMs = 250;
const megabyte = 1_000_000;

let storm: Storm;
beforeAll(async () => {
  storm = await startStorm();
});
afterAll(async () => {
  await storm.stop();
});

test("1000 dripping bodies end by the deadline, within 100 MB, with healthy ones answered beside them", async () => {
  const figures = await storm.rage(["dripping"], 1000);
  expect(figures.ends).toEqual({ body_timeout: 1000 });
  expect(figures.lateMs).toBeLessThan(lateMs);
  expect(figures.memoryGrowthBytes).toBeLessThan(100 * megabyte);
  expect(figures.descriptorsAfter).toBeLessThanOrEqual(figures.descriptorsBefore);
  expect(figures.healthyFailed).toBe(0);
});

test("64 bodies of a megabyte in chunks of one byte are cut within 200 MB", async () => {
  const figures = await storm.rage(["crumbs"], 64);
  const known = ["body_truncated", "body_timeout"];
  expect(Object.keys(figures.ends).filter((end) => !known.includes(end))).toEqual([]);
  expect(figures.memoryGrowthBytes).toBeLessThan(200 * megabyte);
  expect(figures.healthyFailed).toBe(0);
});

test("100 endless and 100 announced bodies stay within the memory for bodies and 64 MB", async () => {
  const { ends, memoryGrowthBytes } = await storm.rage(["endless", "announced"], 100);
  const known = ["overloaded", "body_too_large", "body_timeout", "source_unreachable"]; // the last two at the deadline
  expect(Object.keys(ends).filter((end) => !known.includes(end))).toEqual([]);
  expect(memoryGrowthBytes).toBeLessThan(256 * 1024 ** 2 + 64 * megabyte);
});

test("500 names whose server is silent raise the p95 of one that is answered by less than 150 ms", async () => {
  const { silent, aloneMs, besideMs } = await waitForSilentNames(500, storm.origins.healthy);
  expect(silent).toBe(500);
  expect(besideMs - aloneMs).toBeLessThan(150);
});
