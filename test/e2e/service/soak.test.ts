import { expect, test } from "vitest";
import { soak } from "../../../bench/support/soak.ts";

test("three thousand requests of all kinds leave no descriptor behind, and nothing breaks", async () => {
  const { samples, ends } = await soak(3000);
  expect(ends).not.toHaveProperty("internal");
  expect(ends).toMatchObject({ source_status: 150, source_unreachable: 150 });
  // What is under way when one looks differs by a few.
  expect(samples.at(-1)!.descriptors).toBeLessThanOrEqual(samples[0]!.descriptors + 8);
}, 60_000);
