import { Pool } from "undici";
import { startService } from "../../test/support/service.ts";
import { descriptorsOf, memoryOf } from "./figures.ts";
import { startHelper } from "./processes.ts";
import type { StormOriginCommand, StormOrigins } from "./storm-origin.ts";

/** Measurements of the service at one moment. */
export interface SoakSample {
  readonly requests: number;
  readonly memoryBytes: number;
  readonly descriptors: number;
  /** p99 and maximum of the event loop's lag since the previous sample. */
  readonly loopP99Ms: number;
  readonly loopMaxMs: number;
}

export interface SoakFigures {
  readonly samples: readonly SoakSample[];
  /** Number of requests by outcome; "" for a complete description. */
  readonly ends: Readonly<Record<string, number>>;
}

const connections = 16;
const samples = 10;

// Numbers in a hundred requests; the rest are hits.
const misses = 20;
const missing = 5;
const refused = 5;

// Rare, because each costs a decoder half a second, or a fetch its whole timeout.
const bombEvery = 500;
const drippingEvery = 1000;

/** Sends a number of mixed requests, and takes ten samples of the service during the run. */
export async function soak(requests: number): Promise<SoakFigures> {
  const helper = startHelper<{ command: StormOriginCommand }, StormOrigins>("storm-origin");
  const origins = await helper.send({ command: "listen" });
  const service = await startService({
    ALLOW_ADDRESSES: "127.0.0.0/8",
    ALLOW_PORTS: "1-65535",
    FETCH_TIMEOUT_MS: "1000",
    LOG_LEVEL: "info",
    // Small, so that the cache is full before the first sample.
    CACHE_BYTES: String(1024 ** 2),
  });
  service.process.stdout?.removeAllListeners("data").resume(); // the test helper would collect the output without bound
  const pid = service.process.pid!;
  const pool = new Pool(service.url, { connections });
  const ends: Record<string, number> = {};

  function urlOf(number: number): string {
    if (number % bombEvery === 0) return `${origins.bomb}/${number}`;
    if (number % drippingEvery === 1) return `${origins.dripping}/${number}`;
    const kind = number % 100;
    if (kind < misses) return `${origins.healthy}/${number}`;
    if (kind < misses + missing) return `${origins.missing}/${number}`;
    if (kind < misses + missing + refused) return `http://10.0.0.${number % 250}/${number}`;
    return `${origins.healthy}/shared-${number % 10}`;
  }

  async function ask(number: number): Promise<void> {
    const body = JSON.stringify({ url: urlOf(number) });
    const headers = { "content-type": "application/json" };
    const reply = await pool.request({ method: "POST", path: "/metadata", headers, body });
    const answer = (await reply.body.json()) as { code?: string; warnings?: string[] };
    const end = answer.code ?? answer.warnings?.join(" ") ?? "";
    ends[end] = (ends[end] ?? 0) + 1;
  }

  async function takeSample(done: number): Promise<SoakSample> {
    const metrics = await (await fetch(`${service.url}/metrics`)).text();
    const seconds = (name: string) => Number(new RegExp(`^${name} ([\\d.e+-]+)$`, "m").exec(metrics)?.[1]);
    return {
      requests: done,
      memoryBytes: memoryOf(pid),
      descriptors: descriptorsOf(pid),
      loopP99Ms: seconds("nodejs_eventloop_lag_p99_seconds") * 1000,
      loopMaxMs: seconds("nodejs_eventloop_lag_max_seconds") * 1000,
    };
  }

  const found: SoakSample[] = [];
  let number = 0;
  await takeSample(0); // resets the service's event loop statistics
  for (let sample = 1; sample <= samples; sample += 1) {
    const until = Math.round((requests * sample) / samples);
    await Promise.all(
      Array.from({ length: connections }, async () => {
        while (number < until) await ask((number += 1));
      }),
    );
    found.push(await takeSample(number));
  }
  await pool.close();
  await service.stop();
  helper.stop();
  return { samples: found, ends };
}
