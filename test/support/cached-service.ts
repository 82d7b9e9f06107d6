import { cached, type CachedOracle } from "../../src/cache/cached.ts";
import { createKeys } from "../../src/cache/key.ts";
import { createMemory } from "../../src/cache/memory.ts";
import { memoizeAsync } from "../../src/cache/memoize.ts";
import { createCachePolicy } from "../../src/cache/cache-policy.ts";
import type { Description } from "../../src/domain/description.ts";
import { createHostHealth } from "../../src/fetch/host-health.ts";
import type { Decoder, Picture } from "../../src/media/decode/decoder.ts";
import { createOracle, type OracleOptions } from "../../src/oracle.ts";
import { openAdmission } from "./admission.ts";
import { createFetcher, type FetcherOptions } from "./fetch.ts";

const minuteMs = 60_000;

export interface CachedService {
  readonly oracle: CachedOracle;
  readonly ask: (url: string) => Description;
  /** Looks up a URL: returns the cache result, and the metadata or the failure code. */
  readonly outcome: (url: string) => Promise<[cached: string, answer: unknown]>;
  readonly invalidate: (url: string) => Promise<void>;
  /** Resolves when no lookup is in progress. */
  readonly idle: () => Promise<void>;
  /** Advances the clock of the cache. */
  readonly pass: (milliseconds: number) => void;
  /** The time of that clock, epoch milliseconds. */
  readonly now: () => number;
  /** Number of decodes so far. */
  readonly decodes: () => number;
}

/** Creates the service without HTTP: the documented TTLs, no jitter, and a clock that the test advances. */
export function createCachedService(
  decoder: Decoder,
  options: FetcherOptions & Partial<Pick<OracleOptions, "fetchTimeoutMs" | "admission">> = {},
): CachedService {
  let offsetMs = 0;
  const now = () => Date.now() + offsetMs;
  const hostHealth = createHostHealth({
    maxFailures: Infinity,
    windowMs: 0,
    openMs: 0,
    defaultBackoffMs: minuteMs,
    maxBackoffMs: 60 * minuteMs,
    maxOrigins: 100,
    now,
    epochNow: now,
  });
  const { parseTarget, openSource } = createFetcher({ hostHealth, ...options });
  let decodes = 0;
  const counted: Decoder = Object.create(decoder, {
    describe: {
      value: (...of: Parameters<Decoder["describe"]>) => {
        decodes += 1;
        return decoder.describe(...of);
      },
    },
  });
  const inProgress = new Set<Promise<unknown>>();
  const pipeline = createOracle({
    admission: options.admission ?? openAdmission(),
    openSource,
    decoder: counted,
    decodeOnce: memoizeAsync<Picture>({ maxBytes: 1_000_000, isFinal: ({ warning }) => warning === null }),
    fetchTimeoutMs: options.fetchTimeoutMs ?? 10_000,
    wholeBytes: 16 * 1024 ** 2,
    patienceMs: 10_000,
  });
  const oracle = cached(
    (target, fields, previous) => {
      const description = pipeline(target, fields, previous);
      const end = description.done.catch(() => undefined);
      inProgress.add(end);
      void end.then(() => inProgress.delete(end));
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
    invalidate: (url) => oracle.invalidate(parseTarget(url)),
    async idle() {
      while (inProgress.size > 0) await Promise.all(inProgress);
      await new Promise((resolve) => setImmediate(resolve));
    },
    pass: (milliseconds) => void (offsetMs += milliseconds),
    now,
    decodes: () => decodes,
  };
}
