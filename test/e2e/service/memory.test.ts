import { setTimeout as after } from "node:timers/promises";
import { expect, test } from "vitest";
import { type Service, startService } from "../../support/service.ts";

/** Returns the size of V8's young generation, from the service's own metrics. */
async function youngGenerationBytes({ url }: Service): Promise<number> {
  const metrics = await (await fetch(`${url}/metrics`)).text();
  return Number(/^nodejs_heap_space_size_total_bytes\{space="new"\} (\d+)$/m.exec(metrics)?.[1]);
}

test("the young generation of the service has at most 8 MB, after its start and after hundreds of requests", async ({
  onTestFinished,
}) => {
  const service = await startService({ FORMATS: "jpeg" });
  onTestFinished(() => service.stop().then(() => undefined));
  expect(await youngGenerationBytes(service)).toBeLessThanOrEqual(4 * 1024 ** 2);
  for (let round = 0; round < 8; round += 1) {
    await Promise.all(Array.from({ length: 100 }, async () => (await fetch(`${service.url}/version`)).text()));
    await after(0);
  }
  const loadedBytes = await youngGenerationBytes(service);
  expect(loadedBytes).toBeGreaterThan(0);
  expect(loadedBytes).toBeLessThanOrEqual(8 * 1024 ** 2);
});
