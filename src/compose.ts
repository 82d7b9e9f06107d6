import { fileURLToPath } from "node:url";
import type { FastifyInstance } from "fastify";
import type { Logger } from "pino";
import { cached } from "./cache/cached.ts";
import { createKeys } from "./cache/key.ts";
import { createMemory } from "./cache/memory.ts";
import { memoizeAsync, pictureShare } from "./cache/memoize.ts";
import { createCachePolicy } from "./cache/cache-policy.ts";
import { openSnapshot } from "./cache/open-snapshot.ts";
import type { RedisAddress } from "./cache/redis-address.ts";
import { type Config, isLoopback } from "./config.ts";
import type { LocalFiles } from "./domain/local-file.ts";
import { createAddressPolicy, createBlockCheck, createOwnership } from "./fetch/address.ts";
import { createHostHealth, hostHealthLimits } from "./fetch/host-health.ts";
import { withLocalFiles } from "./fetch/local-source.ts";
import { createPartialBodies, partialShare } from "./fetch/partial-bodies.ts";
import { createResolver, resolveTrusted } from "./fetch/resolver.ts";
import { createShares, shareLimitsOf } from "./fetch/shares.ts";
import { createSource, sourceLimits } from "./fetch/source.ts";
import { createTargetParser } from "./fetch/target.ts";
import { createApp } from "./http/app.ts";
import { connectionLimitOf } from "./http/connection-limit.ts";
import { parsedShare } from "./http/memoize-parser.ts";
import { createMetricsApp } from "./http/metrics-app.ts";
import { createMetrics, observed } from "./http/metrics.ts";
import { inactivityTimeoutMs } from "./http/timeouts.ts";
import { createAdmission } from "./load/admission.ts";
import { createDecoder, type Picture } from "./media/decode/decoder.ts";
import { slowDecoders, sparesForDecoders, workerIdleMs } from "./media/decode/worker-pool.ts";
import { createOracle, earlyDecode } from "./oracle.ts";

/** The settings that change metadata: part of the cache key, so that a change invalidates the cache. */
function settingsOfAnswers(config: Config, ffmpeg: string | null): unknown {
  const { ALLOW_ADDRESSES, DENY_ADDRESSES, ALLOW_HOSTS, DENY_HOSTS, ALLOW_PORTS, REWRITES, MAX_REDIRECTS } = config;
  const { MAX_BYTES, DECODE_BYTES, DECODE_TIMEOUT_MS, FORMATS, WHOLE_BYTES } = config;
  return [
    [ALLOW_ADDRESSES, DENY_ADDRESSES, ALLOW_HOSTS, DENY_HOSTS, ALLOW_PORTS, REWRITES, MAX_REDIRECTS],
    [MAX_BYTES, DECODE_BYTES, DECODE_TIMEOUT_MS, FORMATS.toSorted(), ffmpeg, WHOLE_BYTES],
  ];
}

export interface Program {
  readonly version: string;
  /** The Git commit of the build; null if unknown. */
  readonly commit: string | null;
}

export interface Dependencies {
  readonly logger: Logger;
  readonly program: Program;
  /** Descriptors that this process may have open; Infinity if there is no limit or none is known. */
  readonly maxDescriptors: number;
  /** The whole environment of worker processes, so that no secret reaches them. */
  readonly decoderEnvironment: Readonly<Record<string, string>>;
  /** Path of ffmpeg, for the hashes of videos; null without it. */
  readonly ffmpeg: string | null;
  /** Files that can be looked up besides URLs, for commands; empty for a service. */
  readonly files: LocalFiles;
  /** OTLP endpoint for spans, further configured by OpenTelemetry's variables; null without one. */
  readonly collector: string | null;
}

/** The composed service. */
export interface Service {
  /** Does not listen yet; requests can be injected. */
  readonly app: FastifyInstance;
  /** The listener for Prometheus, which does not listen yet either; null if no port is set. */
  readonly metricsApp: FastifyInstance | null;
  /** Resolves when the workers are ready. */
  start(): Promise<void>;
  /** Reports unready, waits for the requests in flight, then ends everything that was started. */
  close(): Promise<void>;
}

/** Loads OpenTelemetry, only if it is configured; logs and returns null if it cannot be used. */
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

/** Loads ioredis, 13 MB, only if Redis is configured. */
async function openSharedCache(address: RedisAddress, logger: Logger) {
  const { openShared } = await import("./cache/open-shared.ts");
  return openShared(address, logger);
}

/** Composes the service: the one place that knows every room. */
export async function compose(config: Config, surroundings: Dependencies): Promise<Service> {
  const { logger, program, decoderEnvironment } = surroundings;
  if (config.EARLY_STOP) {
    logger.warn("MEDIA_ORACLE_EARLY_STOP is deprecated and has no effect: see MEDIA_ORACLE_WHOLE_BYTES");
  }
  const ffmpeg = config.FORMATS.includes("video") ? surroundings.ffmpeg : null;
  const parseUrl = createTargetParser({
    allowPorts: config.ALLOW_PORTS,
    extraPorts: config.ALLOW_ADDRESSES.flatMap(({ port }) => port ?? []),
    allowHosts: config.ALLOW_HOSTS,
    denyHosts: config.DENY_HOSTS,
    rewrites: config.REWRITES,
  });
  const shares = createShares({
    ...shareLimitsOf(config.FETCH_CONCURRENCY, config.PER_HOST),
    isOwn: createOwnership({ allow: config.ALLOW_ADDRESSES, ports: config.ALLOW_PORTS }),
  });
  const decoder = createDecoder({
    entry: new URL("./media/worker/main.js", import.meta.url),
    processes: config.DECODERS + sparesForDecoders,
    idleMs: workerIdleMs,
    decodeTimeoutMs: config.DECODE_TIMEOUT_MS,
    decodeBytes: config.DECODE_BYTES,
    maxWaiting: config.QUEUE,
    formats: config.FORMATS,
    ffmpeg,
    onFailedStart: (reason) => logger.warn({ reason }, "a decoder worker cannot start: trying again"),
    environment: decoderEnvironment,
  });
  const admission = createAdmission({
    maxFetches: config.FETCH_CONCURRENCY,
    maxWaiting: config.QUEUE,
    maxFetchBytes: config.FETCH_BYTES,
    maxBodyBytes: config.MAX_BYTES,
    limitsOf: (target) => shares.ofLookup(target),
    decoder,
    now: () => performance.now(),
  });
  const openUrl = createSource({
    parseTarget: parseUrl,
    resolve: createResolver({ timeoutMs: config.CONNECT_TIMEOUT_MS }),
    resolveTrusted,
    addressPolicy: createAddressPolicy({
      allow: config.ALLOW_ADDRESSES,
      deny: config.DENY_ADDRESSES,
      ports: config.ALLOW_PORTS,
    }),
    addressSlots: admission.addressSlots,
    shares,
    hostHealth: createHostHealth({
      ...hostHealthLimits,
      defaultBackoffMs: config.FAILURE_MS,
      now: () => performance.now(),
      epochNow: Date.now,
    }),
    budget: admission.byteBudget,
    partialBodies: createPartialBodies({ maxBytes: config.FETCH_BYTES * partialShare, now: () => performance.now() }),
    maxBytes: config.MAX_BYTES,
    ...sourceLimits,
    connectTimeoutMs: config.CONNECT_TIMEOUT_MS,
    maxRedirects: config.MAX_REDIRECTS,
    userAgent: config.USER_AGENT,
  });
  const { parseTarget, openSource } = withLocalFiles(
    surroundings.files,
    { parseTarget: parseUrl, openSource: openUrl },
    { budget: admission.byteBudget, maxBytes: config.MAX_BYTES, ...sourceLimits },
  );
  const pipeline = createOracle({
    admission,
    openSource,
    decoder,
    decodeOnce: memoizeAsync<Picture>({
      maxBytes: config.CACHE_BYTES * pictureShare,
      isFinal: ({ warning }) => warning === null,
    }),
    fetchTimeoutMs: config.FETCH_TIMEOUT_MS,
    wholeBytes: config.WHOLE_BYTES,
    ...earlyDecode,
  });
  const shared = config.REDIS_URL && (await openSharedCache(config.REDIS_URL, logger));
  const memory = createMemory(config.CACHE_BYTES * (1 - pictureShare - parsedShare));
  const metrics = createMetrics({
    inflight: () => admission.active + decoder.busy,
    queueDepths: () => ({ ...admission.waiting, workers: decoder.waiting }),
    decoderRestarts: () => decoder.restarts,
    enabled: () => decoder.enabled,
    fetchedBytes: () => admission.receivedBytes,
    cache: () => memory.use,
    build: { ...program, node: process.versions.node },
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

  const hostnames = isLoopback(config.HOST) || config.HOSTNAMES.length > 0 ? config.HOSTNAMES : null;
  const metricsApp =
    config.METRICS_PORT === null ? null : createMetricsApp({ metrics, hostnames, inactivityTimeoutMs, logger });

  let closing = false;
  const app = await createApp({
    oracle,
    invalidate: oracle.invalidate,
    isCached: oracle.isCached,
    memoizedBytes: config.CACHE_BYTES * parsedShare,
    parseTarget,
    tokens: config.TOKENS,
    namedTokens: config.TOKEN_KEY === null ? null : { key: config.TOKEN_KEY, revokedNames: config.REVOKED_TOKENS },
    hostnames,
    corsOrigins: config.CORS_ORIGINS,
    inactivityTimeoutMs,
    isTrustedProxy: config.TRUSTED_PROXIES.length === 0 ? null : createBlockCheck(config.TRUSTED_PROXIES),
    rateLimit:
      config.RATE_LIMIT === null
        ? null
        : {
            perMinute: config.RATE_LIMIT,
            together: shared && { isCached: oracle.isCachedAnywhere, count: shared.count },
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
    metricsApp,
    async start() {
      await decoder.start();
      logger.info({ decoders: decoder.walls }, `decoder workers ready, sandbox: ${decoder.walls.join(", ")}`);
      if (config.FORMATS.includes("video") && !decoder.enabled.poster) {
        logger.info("ffmpeg was not found: videos have no blurhash");
      }
    },
    async close() {
      closing = true;
      // At once, because the requests in flight can take all the time; and again with their results.
      await Promise.all([app.close(), snapshot?.save()]);
      await Promise.all([decoder.close(), snapshot?.save(), metricsApp?.close()]);
      shared?.redis.close();
      await tracing?.close();
    },
  };
}
