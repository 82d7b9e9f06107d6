import { cached, type CachedOracle } from "../../src/cache/cached.ts";
import { createKeys } from "../../src/cache/key.ts";
import { createMemory } from "../../src/cache/memory.ts";
import { memoizeAsync } from "../../src/cache/memoize.ts";
import { createCachePolicy } from "../../src/cache/cache-policy.ts";
import type { Description } from "../../src/domain/description.ts";
import { createPauses } from "../../src/fetch/pauses.ts";
import { createSlots } from "../../src/fetch/slots.ts";
import type { Decoder, Picture } from "../../src/media/decoder.ts";
import type { Turn } from "../../src/media/turns.ts";
import { createOracle, type OracleOptions } from "../../src/oracle.ts";
import { createFetcher, type FetcherOptions } from "./fetch.ts";

const minuteMs = 60_000;

/** A turn of those that nobody waits for. */
const turn: Turn = { arrived: () => undefined, [Symbol.dispose]: () => undefined };

export interface Remembering {
  readonly oracle: CachedOracle;
  readonly ask: (url: string) => Description;
  /** Asks, and waits: how the answer was come by, and what it is or the failure's code. */
  readonly outcome: (url: string) => Promise<[cached: string, answer: unknown]>;
  readonly forget: (url: string) => Promise<void>;
  /** Resolves when no lookup is under way. */
  readonly idle: () => Promise<void>;
  /** Moves the clock that lifetimes go by. */
  readonly pass: (milliseconds: number) => void;
  /** Epoch milliseconds of that clock. */
  readonly now: () => number;
  /** Pictures decoded so far. */
  readonly decodes: () => number;
}

/** The whole service but its HTTP side, with the documented lifetimes, without jitter, and a clock of its own. */
export function createRemembering(
  decoder: Decoder,
  options: FetcherOptions & Partial<Pick<OracleOptions, "fetchTimeoutMs" | "takeTurn" | "refuses">> = {},
): Remembering {
  let skippedMs = 0;
  const now = () => Date.now() + skippedMs;
  const pauses = createPauses({ defaultMs: minuteMs, maxMs: 60 * minuteMs, maxHosts: 100, now });
  const { parseTarget, openSource } = createFetcher({ pauses, ...options });
  let decodes = 0;
  const counted: Decoder = Object.create(decoder, {
    describe: {
      value: (...of: Parameters<Decoder["describe"]>) => {
        decodes += 1;
        return decoder.describe(...of);
      },
    },
  });
  const underWay = new Set<Promise<unknown>>();
  const pipeline = createOracle({
    refuses: options.refuses ?? (() => false),
    slots: createSlots({ maxActive: 100, maxActivePerHost: 100, maxWaiting: 0 }),
    openSource,
    decoder: counted,
    takeTurn: options.takeTurn ?? (() => Promise.resolve(turn)),
    pictureOnce: memoizeAsync<Picture>({ maxBytes: 1_000_000, isFinal: ({ warning }) => warning === null }),
    fetchTimeoutMs: options.fetchTimeoutMs ?? 10_000,
    stopEarly: false,
    patienceMs: 10_000,
  });
  const oracle = cached(
    (target, fields, previous) => {
      const description = pipeline(target, fields, previous);
      const end = description.done.catch(() => undefined);
      underWay.add(end);
      void end.then(() => underWay.delete(end));
      return description;
    },
    {
      keyOf: createKeys("the settings of the test"),
      memory: createMemory(10_000_000),
      shared: null,
      policy: createCachePolicy({
        limits: { minMs: minuteMs, maxMs: 7 * 24 * 60 * minuteMs, defaultMs: 60 * minuteMs, failureMs: minuteMs },
        now,
        random: () => 0.5,
      }),
      now,
    },
  );
  const ask = (url: string) => oracle(parseTarget(url));
  return {
    oracle,
    ask,
    async outcome(url) {
      const description = ask(url);
      const answer: unknown = await description.done.catch((error: unknown) => (error as { code: string }).code);
      return [description.cached, answer];
    },
    forget: (url) => oracle.forget(parseTarget(url)),
    async idle() {
      while (underWay.size > 0) await Promise.all(underWay);
      await new Promise((resolve) => setImmediate(resolve));
    },
    pass: (milliseconds) => void (skippedMs += milliseconds),
    now,
    decodes: () => decodes,
  };
}
