/** Cold questions that come as often as they like, whether the ones before are answered or not. */
import { setTimeout as after } from "node:timers/promises";
import { Pool } from "undici";

/** How a question ended: described whole, told what the head says, refused for want of room, or anything else. */
export const ends = ["full", "head", "refused", "other"] as const;
export type End = (typeof ends)[number];

export interface Answered {
  /** When it was asked, from the begin on. */
  readonly atMs: number;
  readonly tookMs: number;
  readonly end: End;
  /** What else it said: a failure's code or the warnings. */
  readonly words: string;
}

/** As the room's module asks: two seconds, less what it keeps for itself. */
export const deadlineMs = 1800;

const everyMs = 5;

// More than are answered at once in the time of a deadline. Node takes one new connection a turn of its event loop: without
// these, a flood would be one of connections.
const connections = 1000;

export interface Flood {
  /** Opens connections ahead, which a service closes when they were idle for a few seconds. */
  connect(): Promise<void>;
  /** Asks so many a second for so long; gives all answers, in the order of asking. */
  rise(perSecond: number, durationMs: number): Promise<Answered[]>;
  /** Asks the next as soon as one is answered, so many at once. */
  circle(atOnce: number, durationMs: number): Promise<Answered[]>;
  stop(): Promise<void>;
}

export function createFlood(serviceUrl: string, coldUrl: () => string): Flood {
  const pool = new Pool(serviceUrl, { connections });
  const headers = { "content-type": "application/json" };

  async function ask(began: number): Promise<Answered> {
    const atMs = performance.now() - began;
    const answer = await post(JSON.stringify({ url: coldUrl(), deadlineMs })).catch(lost);
    return { atMs, tookMs: performance.now() - began - atMs, ...answer };
  }

  async function post(body: string): Promise<Pick<Answered, "end" | "words">> {
    const reply = await pool.request({ method: "POST", path: "/metadata", headers, body });
    const told = (await reply.body.json()) as Told;
    return { end: endOf(reply.statusCode, told), words: told.code ?? told.warnings?.join(" ") ?? "" };
  }

  return {
    async connect() {
      const greet = async () => (await pool.request({ method: "GET", path: "/healthz" })).body.dump();
      await Promise.all(Array.from({ length: connections }, greet));
    },
    async rise(perSecond, durationMs) {
      const asked: Promise<Answered>[] = [];
      const began = performance.now();
      for (let elapsedMs = 0; elapsedMs < durationMs; elapsedMs = performance.now() - began) {
        while (asked.length < (elapsedMs / 1000) * perSecond) asked.push(ask(began));
        await after(everyMs);
      }
      return Promise.all(asked);
    },
    async circle(atOnce, durationMs) {
      const answered: Answered[] = [];
      const began = performance.now();
      const askOn = async () => {
        while (performance.now() - began < durationMs) answered.push(await ask(began));
      };
      await Promise.all(Array.from({ length: atOnce }, askOn));
      return answered;
    },
    stop: () => pool.close(),
  };
}

/** Where there was no answer at all, or no connection. */
function lost(error: NodeJS.ErrnoException): Pick<Answered, "end" | "words"> {
  return { end: "other", words: error.code ?? error.message };
}

interface Told {
  readonly blurhash?: string | null;
  readonly width?: number | null;
  readonly warnings?: readonly string[];
  readonly code?: string;
}

function endOf(status: number, { blurhash = null, width = null }: Told): End {
  if (status === 503) return "refused";
  if (status !== 200) return "other";
  if (blurhash !== null) return "full";
  return width !== null ? "head" : "other";
}

/** Answers a second that came in the time, counted when they came. */
export function rateOf(answered: readonly Answered[], end: End, fromMs: number, toMs: number): number {
  const those = answered.filter((one) => one.end === end && isWithin(one.atMs + one.tookMs, fromMs, toMs));
  return those.length / ((toMs - fromMs) / 1000);
}

export function isWithin(ms: number, fromMs: number, toMs: number): boolean {
  return ms >= fromMs && ms < toMs;
}
