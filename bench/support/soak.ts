import { Pool } from "undici";
import { startService } from "../../test/support/service.ts";
import { descriptorsOf, memoryOf } from "./figures.ts";
import { startHelper } from "./processes.ts";
import type { StormOriginQuestion, StormOrigins } from "./storm-origin.ts";

/** The service at one moment. */
export interface SoakSample {
  readonly requests: number;
  readonly memoryBytes: number;
  readonly descriptors: number;
  /** Since the sample before, 99 of 100 measurements of the service's event loop are below; and the worst of all. */
  readonly loopP99Ms: number;
  readonly loopMaxMs: number;
}

export interface SoakFigures {
  readonly samples: readonly SoakSample[];
  /** How many ended in each way. */
  readonly ends: Readonly<Record<string, number>>;
}

const connections = 16;
const samples = 10;

// Of a hundred requests. The rest are hits.
const misses = 20;
const missing = 5;
const refused = 5;

// Those that cost a decoder half a second, or a fetch its limit: so few that the soak ends today.
const bombEvery = 500;
const drippingEvery = 1000;

/** Runs so many requests of all kinds, and looks at the service ten times meanwhile. */
export async function soak(requests: number): Promise<SoakFigures> {
  const helper = startHelper<{ question: StormOriginQuestion }, StormOrigins>("storm-origin");
  const origins = await helper.ask({ question: "listen" });
  const service = await startService({
    ALLOW_ADDRESSES: "127.0.0.0/8",
    ALLOW_PORTS: "1-65535",
    FETCH_TIMEOUT_MS: "1000",
    LOG_LEVEL: "info",
    // Small, so that it is full before the first sample.
    CACHE_BYTES: String(1024 ** 2),
  });
  service.process.stdout?.removeAllListeners("data").resume(); // what a test would keep of it grows
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
    const told = (await reply.body.json()) as { code?: string; warnings?: string[] };
    const end = told.code ?? told.warnings?.join(" ") ?? "";
    ends[end] = (ends[end] ?? 0) + 1;
  }

  async function look(done: number): Promise<SoakSample> {
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
  await look(0); // the measurements of the start are taken away
  for (let sample = 1; sample <= samples; sample += 1) {
    const until = Math.round((requests * sample) / samples);
    await Promise.all(
      Array.from({ length: connections }, async () => {
        while (number < until) await ask((number += 1));
      }),
    );
    found.push(await look(number));
  }
  await pool.close();
  await service.stop();
  helper.stop();
  return { samples: found, ends };
}
