import { once } from "node:events";
import { type IncomingMessage, request } from "node:http";
import { json as readJson } from "node:stream/consumers";
import { type Service, startService } from "./service.ts";

type OnTestFinished = (cleanUp: () => void | Promise<void>) => void;

/** Processes of the program that share a Redis, each of which can be killed and started anew. */
export interface Replicas {
  /** Those that run now. */
  readonly running: readonly Service[];
  /** Ends it in the middle of everything (SIGKILL). */
  kill(service: Service): Promise<void>;
  /** Starts one more, with an empty memory; it waits for the Redis, where that is there. */
  start(): Promise<Service>;
}

/** Names each replica to origins: `User-Agent: replica/1`, in the order in which they were started. */
export async function startReplicas(
  onTestFinished: OnTestFinished,
  count: number,
  settings: Record<string, string>,
): Promise<Replicas> {
  const running: Service[] = [];
  const starts: Promise<Service>[] = [];
  // Also those that were still starting when the test ran out of time.
  onTestFinished(async () => {
    await Promise.all(starts.map(async (start) => (await start.catch(() => null))?.stop()));
  });
  async function start(): Promise<Service> {
    const starting = startService({
      ALLOW_ADDRESSES: "127.0.0.0/8",
      ALLOW_PORTS: "1-65535",
      PER_HOST: "64", // the origin is one, but stands for many
      DECODERS: "1",
      LOG_LEVEL: "info",
      ...settings,
      USER_AGENT: `replica/${starts.length + 1}`,
    });
    starts.push(starting);
    const service = await starting;
    running.push(service);
    return service;
  }
  const first = await Promise.all(Array.from({ length: count }, start));
  running.splice(0, count, ...first); // in the order of their names, not in that in which they were ready
  await Promise.all(running.map((service) => waitUntilReady(service)));
  return {
    running,
    start,
    async kill(service) {
      running.splice(running.indexOf(service), 1);
      const ended = once(service.process, "exit");
      service.process.kill("SIGKILL");
      await ended;
    },
  };
}

export async function readiness(service: Service): Promise<[status: number, word: string]> {
  const reply = await send("GET", `${service.url}/readyz`);
  return [reply.statusCode!, ((await readJson(reply)) as { status: string }).status];
}

/** Resolves when the service says so: `ok`, or `degraded`. */
export async function waitUntilReady(service: Service, word = "ok"): Promise<void> {
  while ((await readiness(service))[1] !== word) await new Promise((resolve) => setTimeout(resolve, 20));
}

export interface Answer {
  readonly status: number;
  readonly cacheStatus: string;
  readonly json: Record<string, unknown>;
}

/** Over a connection of its own: one that is kept open may be closed in the moment it is used again. */
export async function send(method: string, address: string, body?: object): Promise<IncomingMessage> {
  const sent = request(address, { method, agent: false });
  if (body) sent.setHeader("content-type", "application/json");
  sent.end(body && JSON.stringify(body));
  const [reply] = (await once(sent, "response")) as [IncomingMessage];
  return reply;
}

/** @throws Error where the service ends in the middle of it */
export async function ask(service: Pick<Service, "url">, url: string, deadlineMs?: number): Promise<Answer> {
  const reply = await send("POST", `${service.url}/metadata`, { url, deadlineMs });
  const body = await readJson(reply);
  return {
    status: reply.statusCode!,
    cacheStatus: String(reply.headers["cache-status"]),
    json: body as Record<string, unknown>,
  };
}

/** Has a target forgotten; gives the status. */
export async function forget(service: Service, url: string): Promise<number> {
  const reply = await send("DELETE", `${service.url}/metadata?url=${encodeURIComponent(url)}`);
  reply.resume();
  return reply.statusCode!;
}
