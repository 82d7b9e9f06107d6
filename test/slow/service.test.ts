import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { expect, test } from "vitest";
import { makeBombs } from "../support/bombs.ts";
import { startService } from "../support/service.ts";
import { besiege, quantileOf } from "../support/siege.ts";

test("99 % of cold lookups of a healthy picture take at most 250 ms during a minute of pixel bombs", async ({
  onTestFinished,
}) => {
  const bombs = await makeBombs();
  const bodies = new Map<string, Uint8Array>();
  const origin = createServer((request, response) => response.end(bodies.get(request.url!.split("?")[0]!)));
  await new Promise<void>((resolve) => origin.listen(0, "127.0.0.1", resolve));
  onTestFinished(() => void origin.close());
  const { port } = origin.address() as AddressInfo;
  const service = await startService({
    ALLOW_ADDRESSES: `127.0.0.1:${port}`,
    DECODERS: "2",
    PER_HOST: "64", // one origin stands for many hosts
    LOG_LEVEL: "info",
  });
  onTestFinished(() => void service.stop());

  let lookups = 0;
  const describe = async ({ name, body }: (typeof bombs)[number]) => {
    const path = `/${encodeURIComponent(name)}`;
    bodies.set(path, body);
    const url = `http://127.0.0.1:${port}${path}?n=${(lookups += 1)}`;
    const reply = await fetch(`${service.url}/metadata?url=${encodeURIComponent(url)}`);
    if (reply.status !== 200) return { blurhash: null, warning: "decode_failed" as const };
    const { blurhash } = (await reply.json()) as { blurhash: string | null };
    return { blurhash, warning: null };
  };
  // With pauses between bombs: two cores run the origin, the callers and the service, and only the bombs should add latency.
  const siege = await besiege(describe, bombs, 60_000, 200);
  console.log(
    "p50, p95, p99, maximum, ms:",
    [0.5, 0.95, 0.99, 1].map((share) => Math.round(quantileOf(siege.latencies, share))),
  );
  expect(quantileOf(siege.latencies, 0.99)).toBeLessThanOrEqual(250);
  expect(siege.incomplete).toBe(0);
});
