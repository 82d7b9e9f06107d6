import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Storm, startStorm, stormDeadlineMs, waitForSilentNames } from "../../../bench/support/storm.ts";

// The short form of what test/slow does with a thousand, with bounds for machines that do other things as well.
const generousMs = 3000;
const megabyte = 1_000_000;

let storm: Storm;
beforeAll(async () => {
  storm = await startStorm();
});
afterAll(async () => {
  await storm.stop();
});

describe("many hostile origins at once", () => {
  test("200 dripping bodies end at the deadline, take little memory, leave no socket, and hold nobody up", async () => {
    const figures = await storm.rage(["dripping"], 200);
    expect(figures.ends).toEqual({ body_timeout: 200 });
    expect(figures.slowestMs).toBeLessThan(stormDeadlineMs + generousMs);
    expect(figures.memoryGrowthBytes).toBeLessThan(100 * megabyte);
    expect(figures.descriptorsAfter).toBeLessThanOrEqual(figures.descriptorsBefore);
    expect(figures.healthyFailed).toBe(0);
    expect(Math.max(...figures.healthyMs)).toBeLessThan(stormDeadlineMs);
  });

  test("16 bodies of a megabyte in chunks of one byte are cut, and take little memory", async () => {
    const figures = await storm.rage(["crumbs"], 16);
    expect(figures.ends).toEqual({ body_truncated: 16 });
    expect(figures.memoryGrowthBytes).toBeLessThan(200 * megabyte);
    expect(figures.healthyFailed).toBe(0);
  });

  test("20 endless and 20 announced bodies stay within the memory for bodies", async () => {
    const { ends, memoryGrowthBytes } = await storm.rage(["endless", "announced"], 20);
    const known = ["overloaded", "body_too_large", "body_timeout", "source_unreachable"]; // the last two at the deadline
    expect(Object.keys(ends).filter((end) => !known.includes(end))).toEqual([]);
    expect(memoryGrowthBytes).toBeLessThan(256 * 1024 ** 2 + 64 * megabyte);
  });

  test("100 names whose server is silent do not hold up one that is answered", async () => {
    const { silent, aloneMs, besideMs } = await waitForSilentNames(100, storm.origins.healthy);
    expect(silent).toBe(100);
    expect(besideMs - aloneMs).toBeLessThan(500);
  });
});
