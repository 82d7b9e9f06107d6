import { expect, test } from "vitest";
import { soak } from "../../bench/support/soak.ts";
import { median } from "../../bench/support/table.ts";

const megabyte = 1_000_000;

test("memory and descriptors stay flat and the event loop stays responsive during 100,000 mixed requests", async () => {
  const { samples, ends } = await soak(100_000);
  expect(ends).not.toHaveProperty("internal");
  const [early, later] = [samples.slice(2, 6), samples.slice(6)];
  const memory = (some: typeof samples) => median(some.map(({ memoryBytes }) => memoryBytes));
  expect(memory(later) - memory(early)).toBeLessThan(32 * megabyte);
  expect(samples.at(-1)!.descriptors).toBeLessThanOrEqual(samples[0]!.descriptors + 8);
  expect(median(later.map(({ loopP99Ms }) => loopP99Ms))).toBeLessThan(50);
});
