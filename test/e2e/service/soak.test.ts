import { expect, test } from "vitest";
import { soak } from "../../../bench/support/soak.ts";

test("3000 requests of all kinds leak no descriptor and cause no internal error", async () => {
  const { samples, ends } = await soak(3000);
  expect(ends).not.toHaveProperty("internal");
  expect(Object.values(ends).reduce((sum, count) => sum + count)).toBe(3000);
  // 150 of each, but on a busy machine some requests are rejected or time out.
  expect(ends.source_status).toBeGreaterThan(100);
  expect(ends.source_unreachable).toBeGreaterThan(100);
  // The number in flight differs at each measurement: at most one fetch for each of 16 connections.
  expect(samples.at(-1)!.descriptors).toBeLessThanOrEqual(samples[0]!.descriptors + 16);
});
