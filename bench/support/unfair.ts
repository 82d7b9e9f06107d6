import { setTimeout as sleep } from "node:timers/promises";
import { Pool } from "undici";
import { startService } from "../../test/support/service.ts";
import type { StormOrigins } from "./storm-origin.ts";

/** How healthy pictures and `/healthz` fared beside hostile hosts that hold all they can get. */
export interface UnfairFigures {
  /** Cold lookups of a small PNG, in milliseconds. */
  readonly healthyMs: readonly number[];
  /** Healthy pictures without a hash. */
  readonly healthyFailed: number;
  readonly healthzMs: readonly number[];
}

const sampleEveryMs = 50;

/**
 * Asks a service with the default limits for as many hosts at once, again as soon as each ends, and samples healthy pictures,
 * each on a host of its own, and `/healthz` beside them.
 */
export async function measureFairness(
  origins: StormOrigins,
  hostile: "dripping" | "stopping",
  hosts: number,
  durationMs: number,
): Promise<UnfairFigures> {
  const service = await startService({ ALLOW_ADDRESSES: "127.0.0.0/8", ALLOW_PORTS: "1-65535" });
  const hostilePool = new Pool(service.url, { connections: hosts });
  const pool = new Pool(service.url, { connections: 64 });
  const portOf = (url: string) => new URL(url).port;
  let number = 0;

  async function ask(from: Pool, host: string, port: string): Promise<{ blurhash?: string | null }> {
    const body = JSON.stringify({ url: `http://${host}:${port}/${(number += 1)}` });
    const headers = { "content-type": "application/json" };
    const reply = await from.request({ method: "POST", path: "/metadata", headers, body });
    return (await reply.body.json()) as { blurhash?: string | null };
  }

  const timed = async (work: Promise<unknown>, into: number[]) => {
    const began = performance.now();
    const result = await work;
    into.push(performance.now() - began);
    return result;
  };

  const healthyMs: number[] = [];
  const healthzMs: number[] = [];
  let healthyFailed = 0;
  const lookUpHealthy = async () => {
    const answer = (await timed(ask(pool, "127.0.0.1", portOf(origins.healthy)), healthyMs)) as { blurhash?: string };
    if (typeof answer.blurhash !== "string") healthyFailed += 1;
  };
  const lookAtHealth = () =>
    timed(
      pool.request({ method: "GET", path: "/healthz" }).then(({ body }) => body.dump()),
      healthzMs,
    );

  for (let time = 0; time < 20; time += 1) await ask(pool, "127.0.0.1", portOf(origins.healthy)); // slow only at first
  const until = performance.now() + durationMs;
  const attacks = Array.from({ length: hosts }, async (_, host) => {
    while (performance.now() < until) await ask(hostilePool, `127.1.${host}.1`, portOf(origins[hostile]));
  });
  const samples: Promise<unknown>[] = [];
  while (performance.now() < until) {
    samples.push(lookUpHealthy(), lookAtHealth());
    await sleep(sampleEveryMs);
  }
  await Promise.all([...samples, ...attacks]);
  await Promise.all([pool.close(), hostilePool.close()]);
  await service.stop();
  return { healthyMs, healthyFailed, healthzMs };
}
