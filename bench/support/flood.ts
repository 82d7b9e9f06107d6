/** A load generator for cold lookups, with a fixed request rate (open loop) or a fixed concurrency (closed loop). */
import { setTimeout as after } from "node:timers/promises";
import { Pool } from "undici";

/** Outcome of a request: complete metadata, metadata of the header only, rejected with 503, or anything else. */
export const outcomes = ["full", "head", "refused", "other"] as const;
export type Outcome = (typeof outcomes)[number];

export interface Answer {
  /** Time of the request since the start of the run. */
  readonly atMs: number;
  readonly tookMs: number;
  readonly outcome: Outcome;
  /** The failure code, or the warnings. */
  readonly detail: string;
}

/** The deadline of the Prosody module: its timeout of two seconds, less its own margin. */
export const deadlineMs = 1800;

const tickMs = 5;

// More than the concurrent requests during one deadline. A Node server accepts one new connection in each turn of its event
// loop: without open connections, the benchmark would measure that.
const connections = 1000;

export interface Flood {
  /** Opens the connections in advance; the service closes them after a few idle seconds. */
  connect(): Promise<void>;
  /** Sends requests at a fixed rate, without waiting for earlier ones; returns all answers in the order of the requests. */
  openLoop(perSecond: number, durationMs: number): Promise<Answer[]>;
  /** Keeps a fixed number of requests in flight: sends the next one after each answer. */
  closedLoop(concurrency: number, durationMs: number): Promise<Answer[]>;
  stop(): Promise<void>;
}

export function createFlood(serviceUrl: string, coldUrl: () => string): Flood {
  const pool = new Pool(serviceUrl, { connections });
  const headers = { "content-type": "application/json" };

  async function request(began: number): Promise<Answer> {
    const atMs = performance.now() - began;
    const answer = await post(JSON.stringify({ url: coldUrl(), deadlineMs })).catch(failureOf);
    return { atMs, tookMs: performance.now() - began - atMs, ...answer };
  }

  async function post(body: string): Promise<Pick<Answer, "outcome" | "detail">> {
    const reply = await pool.request({ method: "POST", path: "/metadata", headers, body });
    const answer = (await reply.body.json()) as Body;
    return { outcome: outcomeOf(reply.statusCode, answer), detail: answer.code ?? answer.warnings?.join(" ") ?? "" };
  }

  return {
    async connect() {
      const openOne = async () => (await pool.request({ method: "GET", path: "/healthz" })).body.dump();
      await Promise.all(Array.from({ length: connections }, openOne));
    },
    async openLoop(perSecond, durationMs) {
      const sent: Promise<Answer>[] = [];
      const began = performance.now();
      for (let elapsedMs = 0; elapsedMs < durationMs; elapsedMs = performance.now() - began) {
        while (sent.length < (elapsedMs / 1000) * perSecond) sent.push(request(began));
        await after(tickMs);
      }
      return Promise.all(sent);
    },
    async closedLoop(concurrency, durationMs) {
      const answers: Answer[] = [];
      const began = performance.now();
      const loop = async () => {
        while (performance.now() - began < durationMs) answers.push(await request(began));
      };
      await Promise.all(Array.from({ length: concurrency }, loop));
      return answers;
    },
    stop: () => pool.close(),
  };
}

/** The outcome of a request that failed without a response. */
function failureOf(error: NodeJS.ErrnoException): Pick<Answer, "outcome" | "detail"> {
  return { outcome: "other", detail: error.code ?? error.message };
}

interface Body {
  readonly blurhash?: string | null;
  readonly width?: number | null;
  readonly warnings?: readonly string[];
  readonly code?: string;
}

function outcomeOf(status: number, { blurhash = null, width = null }: Body): Outcome {
  if (status === 503) return "refused";
  if (status !== 200) return "other";
  if (blurhash !== null) return "full";
  return width !== null ? "head" : "other";
}

/** Returns the rate of answers with an outcome, a second, that arrived within a time window. */
export function rateOf(answers: readonly Answer[], outcome: Outcome, fromMs: number, toMs: number): number {
  const those = answers.filter((one) => one.outcome === outcome && isWithin(one.atMs + one.tookMs, fromMs, toMs));
  return those.length / ((toMs - fromMs) / 1000);
}

export function isWithin(ms: number, fromMs: number, toMs: number): boolean {
  return ms >= fromMs && ms < toMs;
}
