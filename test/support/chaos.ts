import { setTimeout as after } from "node:timers/promises";
import { startOrigin } from "./origin.ts";
import { startRedis } from "./redis.ts";
import { ask, type Answer, startReplicas } from "./replicas.ts";

type OnTestFinished = (cleanUp: () => void | Promise<void>) => void;

export interface ChaosFigures {
  readonly asked: number;
  /** Requests with a response; the others were lost. */
  readonly answered: number;
  /** Descriptions of wrong responses. */
  readonly wrong: readonly string[];
  /** Retries on another replica, because the first one was killed. */
  readonly again: number;
  /** Number of faults injected into the replicas and Redis, by name. */
  readonly blows: ReadonlyMap<string, number>;
}

const callers = 12;
const maxTries = 20;

/** Checks the response for `/n/N`: a body of N bytes, or a 404 for every tenth; returns null if it is correct. */
function faultOf(n: number, url: string, { status, json }: Answer): string | null {
  const got = JSON.stringify([status, json.url, json.bytes, json.upstreamStatus]);
  const expected =
    n % 10 === 0 ? JSON.stringify([502, undefined, undefined, 404]) : JSON.stringify([200, url, n, undefined]);
  return got === expected ? null : `${url}: ${got}`;
}

/**
 * Sends random requests to random replicas, as a load balancer would, while it injects faults at random: it kills and starts
 * replicas, and kills, stalls, fills and flushes their Redis, or makes it read-only.
 *
 * @param requests minimum number; the run continues until each fault was injected once
 * @param urls number of different URLs
 */
export async function chaos(onTestFinished: OnTestFinished, requests: number, urls: number): Promise<ChaosFigures> {
  const redis = await startRedis(onTestFinished);
  const replicas = await startReplicas(onTestFinished, 3, { REDIS_URL: redis.url });
  const origin = await startOrigin(onTestFinished, ({ url }, response) => {
    const n = Number(url!.slice("/n/".length));
    const answer = () => (n % 10 === 0 ? response.writeHead(404).end() : response.end("x".repeat(n)));
    setTimeout(answer, Math.random() * 20);
  });

  const wrong: string[] = [];
  const blows = new Map<string, number>();
  let [asked, answered, again] = [0, 0, 0];
  const isOver = () => asked >= requests && blows.size === Object.keys(faults).length;

  async function call(): Promise<void> {
    asked += 1;
    const n = 1 + Math.floor(Math.random() * urls);
    const url = origin.url(`/n/${n}`);
    for (let tries = 1; tries <= maxTries; tries += 1) {
      const replica = replicas.running[Math.floor(Math.random() * replicas.running.length)]!;
      try {
        const fault = faultOf(n, url, await ask(replica, url));
        if (fault) wrong.push(fault);
        answered += 1;
        return;
      } catch {
        again += 1; // the replica was killed
      }
    }
  }

  const pause = () => after(Math.random() * 500);
  const faults: Record<string, () => Promise<void>> = {
    async "replica killed"() {
      await replicas.kill(replicas.running[Math.floor(Math.random() * replicas.running.length)]!);
      await replicas.start();
    },
    async "Redis killed"() {
      await redis.kill();
      await pause();
      await redis.restart();
    },
    async "Redis stalled"() {
      redis.stall();
      await pause();
      redis.resume();
    },
    async "Redis full"() {
      redis.fill(true);
      await pause();
      redis.fill(false);
    },
    async "Redis read-only"() {
      redis.makeReadOnly(true);
      await pause();
      redis.makeReadOnly(false);
    },
    "Redis flushed": () => Promise.resolve(redis.flush()),
  };

  async function injectFaults(): Promise<void> {
    // Each fault once in random order, then random faults.
    const first = Object.keys(faults).sort(() => Math.random() - 0.5);
    while (!isOver()) {
      const names = Object.keys(faults);
      const name = first.pop() ?? names[Math.floor(Math.random() * names.length)]!;
      await faults[name]!();
      blows.set(name, (blows.get(name) ?? 0) + 1);
      await pause();
    }
  }

  const injecting = injectFaults();
  await Promise.all(
    Array.from({ length: callers }, async () => {
      while (!isOver()) await call();
    }),
  );
  await injecting;
  return { asked, answered, wrong, again, blows };
}
