import { Pool } from "undici";
import { startService } from "../../test/support/service.ts";
import { descriptorsOf, memoryOf } from "./figures.ts";
import type { HostileCommand, HostilePlace, HostileReply } from "./hostile.ts";
import { type Helper, startHelper } from "./processes.ts";
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

export interface SoakOptions {
  /** Whether files of all formats and hostile origins of all kinds are among the misses. Default: small PNGs. */
  readonly hasAllKinds?: boolean;
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
const formats = 10; // of the misses

// Rare, because each costs a decoder half a second, or a fetch its whole timeout.
const bombEvery = 500;
const drippingEvery = 1000;
const hostileEvery = 200;

async function placesOf(helper: Helper<HostileCommand, HostileReply>): Promise<readonly HostilePlace[]> {
  const reply = await helper.send({ command: "listen" });
  return "places" in reply ? reply.places : [];
}

/** Sends a number of mixed requests, and takes ten samples of the service during the run. */
export async function soak(requests: number, { hasAllKinds = false }: SoakOptions = {}): Promise<SoakFigures> {
  const helper = startHelper<{ command: StormOriginCommand }, StormOrigins>("storm-origin");
  const hostileHelper = hasAllKinds ? startHelper<HostileCommand, HostileReply>("hostile") : null;
  const origins = await helper.send({ command: hasAllKinds ? "listen with formats" : "listen" });
  const places = hostileHelper ? await placesOf(hostileHelper) : [];
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
    const place =
      number % hostileEvery === hostileEvery - 1 && places[Math.floor(number / hostileEvery) % places.length];
    if (place) return `${place.url}${number}`;
    if (hasAllKinds && kind < formats)
      return `${origins.formats}/${Math.floor(number / 100) * formats + kind}/${number}`;
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
  hostileHelper?.stop();
  return { samples: found, ends };
}
