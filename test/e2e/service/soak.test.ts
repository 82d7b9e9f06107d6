import { expect, test } from "vitest";
import { soak } from "../../../bench/support/soak.ts";

test("3000 requests of all kinds leak no descriptor and cause no internal error", async () => {
  const { samples, ends } = await soak(3000);
  expect(ends).not.toHaveProperty("internal");
  expect(ends).toMatchObject({ source_status: 150, source_unreachable: 150 });
  // The number in flight differs by a few at each measurement.
  expect(samples.at(-1)!.descriptors).toBeLessThanOrEqual(samples[0]!.descriptors + 8);
});
