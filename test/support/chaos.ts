import { setTimeout as after } from "node:timers/promises";
import { startOrigin } from "./origin.ts";
import { startRedis } from "./redis.ts";
import { ask, type Answer, startReplicas } from "./replicas.ts";

type OnTestFinished = (cleanUp: () => void | Promise<void>) => void;

export interface ChaosFigures {
  readonly asked: number;
  /** Those that were answered; the others were lost. */
  readonly answered: number;
  /** Answers that were not the one to this question, in words. */
  readonly wrong: readonly string[];
  /** Requests that were sent again to another replica, since theirs was killed. */
  readonly again: number;
  /** What was done to the replicas and the Redis, and how often. */
  readonly blows: ReadonlyMap<string, number>;
}

const callers = 12;
const maxTries = 20;

/** What the answer to `/n/N` must be: a body of N bytes, or, for every tenth, none. */
function faultOf(n: number, url: string, { status, json }: Answer): string | null {
  const got = JSON.stringify([status, json.url, json.bytes, json.upstreamStatus]);
  const right =
    n % 10 === 0 ? JSON.stringify([502, undefined, undefined, 404]) : JSON.stringify([200, url, n, undefined]);
  return got === right ? null : `${url}: ${got}`;
}

/**
 * Sends random requests to random replicas, as a balancer would, while replicas are killed and started, and their Redis is killed,
 * stalled, filled, made read-only and flushed, all at random.
 *
 * @param requests at least; it goes on until each of these has befallen them
 * @param urls how many there are to choose from
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
  const isOver = () => asked >= requests && blows.size === Object.keys(strikes).length;

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
        again += 1; // it was killed
      }
    }
  }

  const pause = () => after(Math.random() * 500);
  const strikes: Record<string, () => Promise<void>> = {
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

  async function strike(): Promise<void> {
    // Each once, in any order, then any.
    const first = Object.keys(strikes).sort(() => Math.random() - 0.5);
    while (!isOver()) {
      const names = Object.keys(strikes);
      const name = first.pop() ?? names[Math.floor(Math.random() * names.length)]!;
      await strikes[name]!();
      blows.set(name, (blows.get(name) ?? 0) + 1);
      await pause();
    }
  }

  const striking = strike();
  await Promise.all(
    Array.from({ length: callers }, async () => {
      while (!isOver()) await call();
    }),
  );
  await striking;
  return { asked, answered, wrong, again, blows };
}
