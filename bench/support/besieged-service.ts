import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import type { Bomb } from "../../test/support/bombs.ts";
import { waitUntilReady } from "../../test/support/replicas.ts";
import { startService } from "../../test/support/service.ts";
import { type Siege, atRate, besiege } from "../../test/support/siege.ts";

export interface ServiceSiege extends Siege {
  /** Of `GET /healthz`, 20 times a second beside all that, in milliseconds. */
  readonly healthMs: readonly number[];
  readonly restarts: number;
}

// Two cores serve the origin, the callers and the service.
const pauseMs = 200;

// Bytes behind the end of the picture, so that no result is one of the same bytes before.
const endsByItself: readonly string[] = ["png", "jpeg", "gif"];

/** Has the real service look up URLs of bombs, all new each time, beside a healthy PNG and `/healthz`. */
export async function besiegeService(bombs: readonly Bomb[], durationMs: number): Promise<ServiceSiege> {
  const bodies = new Map<string, Uint8Array>();
  const origin = createServer((request, response) => {
    const body = bodies.get(request.url!);
    bodies.delete(request.url!);
    response.end(body);
  });
  await new Promise<void>((resolve) => origin.listen(0, "127.0.0.1", resolve));
  const { port } = origin.address() as AddressInfo;
  const service = await startService({
    ALLOW_ADDRESSES: `127.0.0.1:${port}`,
    DECODERS: "2",
    PER_HOST: "64", // the origin is one, but stands for many
  });
  await waitUntilReady(service);

  let lookups = 0;
  const describe = async ({ body, format }: Bomb) => {
    const number = (lookups += 1);
    const end = Buffer.from(endsByItself.includes(format) ? String(number) : "");
    bodies.set(`/${number}`, Buffer.concat([body, end]));
    const url = encodeURIComponent(`http://127.0.0.1:${port}/${number}`);
    const reply = await fetch(`${service.url}/metadata?url=${url}`);
    const { blurhash = null, warnings = [] } = (await reply.json()) as Partial<{
      blurhash: string;
      warnings: ["decode_failed"];
    }>;
    return { blurhash, warning: warnings[0] ?? null };
  };
  const isHealthy = async () => {
    const began = performance.now();
    await (await fetch(`${service.url}/healthz`)).text();
    return performance.now() - began;
  };
  const [siege, healthMs] = await Promise.all([
    besiege(describe, bombs, durationMs, pauseMs),
    atRate(20, durationMs, isHealthy),
  ]);
  const metrics = await (await fetch(`${service.url}/metrics`)).text();
  const restarts = Number(/^media_oracle_decoder_restarts_total (\d+)$/m.exec(metrics)?.[1]);
  await service.stop();
  origin.close();
  return { ...siege, healthMs, restarts };
}
