import { fileURLToPath } from "node:url";
import type { FastifyInstance } from "fastify";
import type { Logger } from "pino";
import { cached } from "./cache/cached.ts";
import { createKeys } from "./cache/key.ts";
import { createMemory, type Memory } from "./cache/memory.ts";
import { memoizeAsync } from "./cache/memoize.ts";
import { createRedis } from "./cache/redis.ts";
import type { RedisAddress } from "./cache/redis-address.ts";
import { createRedisCounter } from "./cache/redis-counter.ts";
import { createRedisStore } from "./cache/redis-store.ts";
import { createCachePolicy } from "./cache/cache-policy.ts";
import { createSnapshot } from "./cache/snapshot.ts";
import { SnapshotRefused } from "./cache/snapshot-file.ts";
import { type Config, isLoopback } from "./config.ts";
import { createAddressPolicy, createOwnership } from "./fetch/address.ts";
import { createBreaker } from "./fetch/circuit-breaker.ts";
import { createByteBudget } from "./load/byte-budget.ts";
import { createPauses } from "./fetch/pauses.ts";
import { createResolver, resolveTrusted } from "./fetch/resolver.ts";
import { createShares } from "./fetch/shares.ts";
import { createLoadShedder } from "./load/load-shedder.ts";
import { createSemaphore, type SemaphoreOptions } from "./load/semaphore.ts";
import { createSource } from "./fetch/source.ts";
import { createTargetParser } from "./fetch/target.ts";
import { createTransfers } from "./load/transfers.ts";
import { createApp } from "./http/app.ts";
import { connectionLimitOf } from "./http/connection-limit.ts";
import { createMetrics, observed } from "./http/metrics.ts";
import { inactivityTimeoutMs } from "./http/timeouts.ts";
import { createDecoder, type Picture } from "./media/decode/decoder.ts";
import { createDecodeQueue } from "./load/decode-queue.ts";
import { createOracle } from "./oracle.ts";

// What the decoder is given of a body that was announced too large: the dimensions of nearly all pictures lie in it.
const headBytes = 64 * 1024;

// Ten in a row are more than bad luck. Half a minute is what a restart takes. 4096 names of 253 bytes are some 2 MB.
const deadOrigins = {
  maxFailures: 10,
  windowMs: 60_000,
  openMs: 30_000,
  maxOrigins: 4096,
  now: () => performance.now(),
};

// An hour: whoever can make one URL of a host ask for a pause shuts off all of it for so long.
const maxPauseMs = 3_600_000;

// What a lookup waits for a call at most. Half a second: a Redis that comes back is used again soon, and not stormed until then.
const redisLimits = { timeoutMs: 200, connectTimeoutMs: 1000, retryMs: 500, keyPrefix: "media-oracle:" };

// In 5 s nearly all lookups end; an origin that is slower may be asked by each replica. 50 ms are little beside a lookup.
const lockLimits = { lockMs: 5000, pollMs: 50, now: Date.now };

// A full cache is written in some 0.3 s, 23 MB.
const saveEveryMs = 5 * 60_000;

// Of the memory of the cache: ten thousand pictures, since few have many URLs.
const pictureShare = 1 / 16;

// From a near origin all has come by then, and to decode its beginning too would only be more work.
const patienceMs = 50;

// A process takes its next body, or says what it found, while another has its processor: without one, the processors
// stand idle for a seventh of the time.
const sparesForDecoders = 1;
// Besides them the pool has a process for slow pictures.
const slowDecoders = 1;

// What waits for decoders is half a second of work, and an eighth of the memory for bodies: 32 MB, a dozen photos of a phone.
// A burst is worked off for five seconds: two hundred photos. A room does not wait so long, and has heard what the head tells by then.
const turnLimits = { maxWorkMs: 500, arrivalMs: 250, lookMs: 1000, patienceMs: 5000, shortMs: 1000 };
const waitingShare = 1 / 8;
const crowdedShare = 1 / 4;

// One site, or one block of addresses, has at most half of the fetches at once, and a quarter of each queue.
const shareOfFetches = 1 / 2;
const shareOfQueue = 1 / 4;

// Bodies of unpredictable cost (PDF, SVG) that are read or decoded at once: as many as half of FETCH_BYTES has room for, two of
// 64 MiB with the defaults, but no more than keep the one slow decoder busy. The others wait with their heads only, on a quarter
// of the fetch slots, for longer than a body that stops keeps its place (5.1 s, see fetch/transfers.ts).
const unpredictableLimits = { shareOfBytes: 1 / 2, maxActive: 4, shareOfSlots: 1 / 4, patienceMs: 6000 };

// Half of its time is left for what is remembered; on few processors, for the decoders too.
const sheddingLimits = { mostBusy: 0.5, everyMs: 50 };

/** The settings that another answer to the same URL may come of: where one changes, what is remembered is forgotten. */
function settingsOfAnswers(config: Config, ffmpeg: string | null): unknown {
  const { ALLOW_ADDRESSES, DENY_ADDRESSES, ALLOW_HOSTS, DENY_HOSTS, ALLOW_PORTS, REWRITES, MAX_REDIRECTS } = config;
  const { MAX_BYTES, DECODE_BYTES, DECODE_TIMEOUT_MS, FORMATS, EARLY_STOP } = config;
  return [
    [ALLOW_ADDRESSES, DENY_ADDRESSES, ALLOW_HOSTS, DENY_HOSTS, ALLOW_PORTS, REWRITES, MAX_REDIRECTS],
    [MAX_BYTES, DECODE_BYTES, DECODE_TIMEOUT_MS, FORMATS.toSorted(), ffmpeg, EARLY_STOP],
  ];
}

/** The queue for bodies of unpredictable cost. */
function unpredictableLimitsOf(
  { FETCH_BYTES, FETCH_CONCURRENCY, MAX_BYTES }: Config,
  now: () => number,
): SemaphoreOptions {
  const { shareOfBytes, maxActive, shareOfSlots } = unpredictableLimits;
  const bufferBytes = 2 ** Math.ceil(Math.log2(MAX_BYTES)); // as the byte budget lends
  const maxWaiting = Math.floor(FETCH_CONCURRENCY * shareOfSlots);
  return {
    maxActive: Math.min(maxActive, Math.max(1, Math.floor((FETCH_BYTES * shareOfBytes) / bufferBytes))),
    maxWaiting,
    maxWaitingPerSite: Math.max(1, Math.ceil(maxWaiting / 2)), // most chat servers have one upload host
    now,
  };
}

/** Connects to what replicas share; whether it is there is told, and nothing waits for it. */
function openShared(address: RedisAddress, logger: Logger) {
  const redis = createRedis({ address, ...redisLimits });
  redis.onChange((state, reason) => {
    if (state === "ready") logger.info("the shared cache is there");
    else logger.warn({ state, reason }, "the shared cache is of no use now: goes on from its own memory");
  });
  return {
    redis,
    store: createRedisStore(redis, lockLimits),
    count: createRedisCounter(redis),
    gauges: {
      isWell: () => redis.state === "ready",
      calls: () => redis.calls,
      failures: () => redis.failures,
    },
  };
}

/** Fills the memory from the file, and keeps the file from now on. Whatever goes wrong is told, and costs what was remembered. */
async function openSnapshot(file: string, memory: Memory, maxBytes: number, logger: Logger) {
  const snapshot = createSnapshot({ file, memory, maxBytes, now: Date.now });
  const warn = (error: unknown, words: string) => {
    const { code, message } = error as NodeJS.ErrnoException;
    logger.warn({ reason: error instanceof SnapshotRefused ? message : code }, words);
  };
  const save = () => snapshot.save().catch((error: unknown) => warn(error, "the cache could not be saved"));
  try {
    const { entries, skipped } = await snapshot.load();
    logger.info({ entries }, "the cache was read from its file");
    if (skipped > 0) logger.warn({ skipped }, "entries of the cache file cannot be read: skipped them");
  } catch (error) {
    warn(error, "the cache's file cannot be used: it starts empty");
  }
  setInterval(() => void save(), saveEveryMs).unref();
  return { save };
}

export interface Program {
  readonly version: string;
  /** What it was built from; null where that is unknown. */
  readonly commit: string | null;
}

export interface Dependencies {
  readonly logger: Logger;
  readonly program: Program;
  /** Descriptors that this process may have open; Infinity if there is no limit or none is known. */
  readonly maxDescriptors: number;
  /** Of the decoder's processes: nothing else of ours reaches them. */
  readonly decoderEnvironment: Readonly<Record<string, string>>;
  /** Where ffmpeg is, for videos; null without it. */
  readonly ffmpeg: string | null;
  /** The URL that spans are sent to, of which the variables of OpenTelemetry say more; null where they are not. */
  readonly collector: string | null;
}

/** The service, put together. */
export interface Service {
  /** Does not listen yet; what is not listened for can be injected. */
  readonly app: FastifyInstance;
  /** Resolves when pictures can be decoded. */
  start(): Promise<void>;
  /** Says that it is not ready, ends the requests in flight as they end, then all that was started. */
  close(): Promise<void>;
}

/** What sends spans; null, and told, where nothing can. Loaded only here: who traces nothing has nothing of it. */
async function openTracing(collector: string, { program, logger }: Dependencies) {
  const warn = (why: string) => void logger.warn(`nothing is traced: ${why}`);
  if (!/^https?:/.test(collector) || !URL.canParse(collector)) {
    warn("OTEL_EXPORTER_OTLP_ENDPOINT is not an http(s) URL");
    return null;
  }
  try {
    const { createTracing } = await import("./tracing.ts");
    return createTracing({ version: program.version, logger });
  } catch (error) {
    if (!(error as NodeJS.ErrnoException).code?.endsWith("MODULE_NOT_FOUND")) throw error;
    warn("the packages of OpenTelemetry are not installed (npm install --include=optional)");
    return null;
  }
}

/** Puts the service together: the one place where every room is known. */
export async function compose(config: Config, surroundings: Dependencies): Promise<Service> {
  const { logger, program, decoderEnvironment } = surroundings;
  const ffmpeg = config.FORMATS.includes("video") ? surroundings.ffmpeg : null;
  const parseTarget = createTargetParser({
    allowPorts: config.ALLOW_PORTS,
    extraPorts: config.ALLOW_ADDRESSES.flatMap(({ port }) => port ?? []),
    allowHosts: config.ALLOW_HOSTS,
    denyHosts: config.DENY_HOSTS,
    rewrites: config.REWRITES,
  });
  const now = () => performance.now();
  const maxPerShare = Math.max(config.PER_HOST, Math.ceil(config.FETCH_CONCURRENCY * shareOfFetches));
  const queueLimits = {
    maxWaiting: config.QUEUE,
    maxWaitingPerSite: Math.max(1, Math.ceil(config.QUEUE * shareOfQueue)),
    now,
  };
  const shares = createShares({
    maxPerHost: config.PER_HOST,
    maxPerSite: maxPerShare,
    maxPerBlock: maxPerShare,
    isOwn: createOwnership({ allow: config.ALLOW_ADDRESSES, ports: config.ALLOW_PORTS }),
  });
  const slots = createSemaphore({ maxActive: config.FETCH_CONCURRENCY, ...queueLimits });
  const unpredictableSlots = createSemaphore(unpredictableLimitsOf(config, now));
  const openSource = createSource({
    parseTarget,
    resolve: createResolver({ timeoutMs: config.CONNECT_TIMEOUT_MS }),
    resolveTrusted,
    addressPolicy: createAddressPolicy({
      allow: config.ALLOW_ADDRESSES,
      deny: config.DENY_ADDRESSES,
      ports: config.ALLOW_PORTS,
    }),
    addressSlots: createSemaphore({ maxActive: Infinity, ...queueLimits }), // bounded by the slots of the lookups
    shares,
    breaker: createBreaker(deadOrigins),
    pauses: createPauses({
      defaultMs: config.FAILURE_MS,
      maxMs: maxPauseMs,
      maxOrigins: deadOrigins.maxOrigins,
      now: Date.now,
    }),
    budget: createByteBudget(config.FETCH_BYTES),
    maxBytes: config.MAX_BYTES,
    headBytes,
    connectTimeoutMs: config.CONNECT_TIMEOUT_MS,
    maxRedirects: config.MAX_REDIRECTS,
    userAgent: config.USER_AGENT,
  });
  const decoder = createDecoder({
    entry: new URL("./media/worker/main.js", import.meta.url),
    processes: config.DECODERS + sparesForDecoders,
    decodeTimeoutMs: config.DECODE_TIMEOUT_MS,
    decodeBytes: config.DECODE_BYTES,
    maxWaiting: config.QUEUE,
    formats: config.FORMATS,
    ffmpeg,
    environment: decoderEnvironment,
  });
  const turns = createDecodeQueue({
    ...turnLimits,
    maxBytes: config.FETCH_BYTES * waitingShare,
    expectedMs: () => decoder.expectedMs,
    coming: () => slots.active,
    isCrowded: () => slots.waiting > config.QUEUE * crowdedShare,
  });
  const sheds = createLoadShedder({ ...sheddingLimits, isNeeded: () => turns.isShort });
  const pipeline = createOracle({
    refuses: () => !turns.isFree && sheds(),
    slots,
    shares,
    transfers: createTransfers({ starved: (waitedMs) => slots.starved(waitedMs), now }),
    openSource,
    decoder,
    takeTurn: turns.take,
    unpredictable: { slots: unpredictableSlots, patienceMs: unpredictableLimits.patienceMs },
    decodeOnce: memoizeAsync<Picture>({
      maxBytes: config.CACHE_BYTES * pictureShare,
      isFinal: ({ warning }) => warning === null,
    }),
    fetchTimeoutMs: config.FETCH_TIMEOUT_MS,
    stopEarly: config.EARLY_STOP,
    patienceMs,
  });
  const shared = config.REDIS_URL && openShared(config.REDIS_URL, logger);
  const memory = createMemory(config.CACHE_BYTES * (1 - pictureShare));
  const metrics = createMetrics({
    inflight: () => slots.active + decoder.busy,
    queueDepth: () => slots.waiting + turns.waiting + unpredictableSlots.waiting + decoder.waiting,
    decoderRestarts: () => decoder.restarts,
    enabled: () => decoder.enabled,
    shared: shared ? { ...shared.gauges, answers: () => oracle.answeredByShared() } : null,
  });
  const oracle = cached(observed(pipeline, metrics), {
    keyOf: createKeys(settingsOfAnswers(config, ffmpeg)),
    memory,
    shared: shared?.store ?? null,
    policy: createCachePolicy({
      limits: {
        minMs: config.FRESH_MIN_MS,
        maxMs: config.FRESH_MAX_MS,
        defaultMs: config.FRESH_DEFAULT_MS,
        failureMs: config.FAILURE_MS,
      },
      now: Date.now,
      random: Math.random,
    }),
    now: Date.now,
  });

  const snapshot = config.CACHE_FILE
    ? await openSnapshot(config.CACHE_FILE, memory, 2 * config.CACHE_BYTES, logger)
    : null;

  const tracing = surroundings.collector === null ? null : await openTracing(surroundings.collector, surroundings);

  let closing = false;
  const app = await createApp({
    oracle,
    forget: oracle.forget,
    isRemembered: oracle.isRemembered,
    parseTarget,
    tokens: config.TOKENS,
    namedTokens: config.TOKEN_KEY === null ? null : { key: config.TOKEN_KEY, revokedNames: config.REVOKED_TOKENS },
    hostnames: isLoopback(config.HOST) || config.HOSTNAMES.length > 0 ? config.HOSTNAMES : null,
    inactivityTimeoutMs,
    rateLimit:
      config.RATE_LIMIT === null
        ? null
        : {
            perMinute: config.RATE_LIMIT,
            together: shared && { isRemembered: oracle.isRememberedAnywhere, count: shared.count },
            now: () => performance.now(),
          },
    readiness() {
      if (closing || !decoder.isReady) return "unready";
      return shared && shared.redis.state !== "ready" ? "degraded" : "ok";
    },
    metrics,
    logger,
    connectionLimit: connectionLimitOf(surroundings.maxDescriptors, {
      fetches: config.FETCH_CONCURRENCY,
      workers: config.DECODERS + sparesForDecoders + slowDecoders,
    }),
    version: () => ({
      ...program,
      node: process.versions.node,
      libvips: decoder.libvips,
      formats: Object.entries(decoder.enabled).flatMap(([name, isOn]) => (isOn ? name : [])),
    }),
    tracing,
    page: fileURLToPath(new URL("./page", import.meta.url)),
  });

  return {
    app,
    async start() {
      await decoder.start();
      logger.info({ decoders: decoder.walls }, "the decoder's processes are ready, behind these walls");
      if (config.FORMATS.includes("video") && !decoder.enabled.poster) {
        logger.info("there is no ffmpeg: videos have no blurhash");
      }
    },
    async close() {
      closing = true;
      // At once, since the requests in flight may take all the time there is; and again with what they have brought.
      await Promise.all([app.close(), snapshot?.save()]);
      await Promise.all([decoder.close(), snapshot?.save()]);
      shared?.redis.close();
      await tracing?.close();
    },
  };
}
