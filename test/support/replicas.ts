import { once } from "node:events";
import { type IncomingMessage, request } from "node:http";
import { json as readJson } from "node:stream/consumers";
import { type Service, startService } from "./service.ts";

type OnTestFinished = (cleanUp: () => void | Promise<void>) => void;

/** Replicas: processes of the program that share a Redis and can be killed and started one by one. */
export interface Replicas {
  /** The replicas that are running now. */
  readonly running: readonly Service[];
  /** Ends a replica at once, with SIGKILL. */
  kill(service: Service): Promise<void>;
  /** Starts one more replica, with an empty cache; resolves when it listens. */
  start(): Promise<Service>;
}

/** Starts replicas. Origins can distinguish them: `User-Agent: replica/1` for the first one started, and so on. */
export async function startReplicas(
  onTestFinished: OnTestFinished,
  count: number,
  settings: Record<string, string>,
): Promise<Replicas> {
  const running: Service[] = [];
  const starts: Promise<Service>[] = [];
  // Includes replicas that were still starting when the test timed out.
  onTestFinished(async () => {
    await Promise.all(starts.map(async (start) => (await start.catch(() => null))?.stop()));
  });
  async function start(): Promise<Service> {
    const starting = startService({
      ALLOW_ADDRESSES: "127.0.0.0/8",
      ALLOW_PORTS: "1-65535",
      PER_HOST: "64", // one origin stands for many hosts
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
  running.splice(0, count, ...first); // in the order of their names, not of their readiness
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

/** Returns the HTTP status and the `status` of `/readyz`. */
export async function readiness(service: Service): Promise<[status: number, word: string]> {
  const reply = await send("GET", `${service.url}/readyz`);
  return [reply.statusCode!, ((await readJson(reply)) as { status: string }).status];
}

/** Resolves when `/readyz` returns the given status: `ok` or `degraded`. */
export async function waitUntilReady(service: Service, word = "ok"): Promise<void> {
  while ((await readiness(service))[1] !== word) await new Promise((resolve) => setTimeout(resolve, 20));
}

export interface Answer {
  readonly status: number;
  readonly cacheStatus: string;
  readonly json: Record<string, unknown>;
}

/** Sends a request over a new connection, because the server may close a kept-alive one at the moment of its reuse. */
export async function send(method: string, address: string, body?: object): Promise<IncomingMessage> {
  const sent = request(address, { method, agent: false });
  if (body) sent.setHeader("content-type", "application/json");
  sent.end(body && JSON.stringify(body));
  const [reply] = (await once(sent, "response")) as [IncomingMessage];
  return reply;
}

/** Requests the metadata of a URL. @throws Error if the service ends during the request */
export async function ask(service: Pick<Service, "url">, url: string, deadlineMs?: number): Promise<Answer> {
  const reply = await send("POST", `${service.url}/metadata`, { url, deadlineMs });
  const body = await readJson(reply);
  return {
    status: reply.statusCode!,
    cacheStatus: String(reply.headers["cache-status"]),
    json: body as Record<string, unknown>,
  };
}

/** Deletes a target from the cache; returns the HTTP status. */
export async function invalidate(service: Service, url: string): Promise<number> {
  const reply = await send("DELETE", `${service.url}/metadata?url=${encodeURIComponent(url)}`);
  reply.resume();
  return reply.statusCode!;
}
