import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Storm, startStorm, stormDeadlineMs, waitForSilentNames } from "../../../bench/support/storm.ts";

// A short form of the tests in test/slow with a thousand origins, which measure how late a deadline is.
const megabyte = 1_000_000;
// Meanwhile a second worker may have started. A leak would be one for each of 200 lookups.
const descriptorsOfWorker = 8;

let storm: Storm;
beforeAll(async () => {
  storm = await startStorm();
});
afterAll(async () => {
  await storm.stop();
});

describe("many hostile origins at once", () => {
  test("200 slow drips end at the deadline, take little memory, leak no socket, and delay no lookup", async () => {
    const figures = await storm.rage(["dripping"], 200);
    expect(figures.ends).toEqual({ body_timeout: 200 });
    expect(figures.slowestMs).toBeLessThan(15_000); // the default, which the storm's shorter deadline replaces
    expect(figures.memoryGrowthBytes).toBeLessThan(100 * megabyte);
    expect(figures.descriptorsAfter).toBeLessThanOrEqual(figures.descriptorsBefore + descriptorsOfWorker);
    expect(figures.healthyFailed).toBe(0);
    expect(Math.max(...figures.healthyMs)).toBeLessThan(stormDeadlineMs);
  });

  test("16 bodies of 1 MB in chunks of one byte are cut off, and take little memory", async () => {
    const figures = await storm.rage(["crumbs"], 16);
    expect(figures.ends).toEqual({ body_truncated: 16 });
    expect(figures.memoryGrowthBytes).toBeLessThan(200 * megabyte);
    expect(figures.healthyFailed).toBe(0);
  });

  test("20 endless and 20 oversized declared bodies stay within the byte budget", async () => {
    const { ends, memoryGrowthBytes } = await storm.rage(["endless", "announced"], 20);
    const known = ["overloaded", "body_too_large", "body_timeout", "source_unreachable"]; // last two: deadline
    expect(Object.keys(ends).filter((end) => !known.includes(end))).toEqual([]);
    expect(memoryGrowthBytes).toBeLessThan(256 * 1024 ** 2 + 64 * megabyte);
  });

  test("100 names with a silent name server do not delay a name that resolves", async () => {
    const { silent, aloneMs, besideMs } = await waitForSilentNames(100, storm.origins.healthy);
    expect(silent).toBe(100);
    expect(besideMs - aloneMs).toBeLessThan(1500); // behind a silent name it waits for 3 s
  });
});
