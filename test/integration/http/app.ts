/** The HTTP app with a plain function as its oracle, listening on a free port. */
import { pino } from "pino";
import { type Description, type Oracle, startDescription } from "../../../src/domain/description.ts";
import { OracleError } from "../../../src/domain/errors.ts";
import { type Metadata, unknownMetadata } from "../../../src/domain/metadata.ts";
import type { Target } from "../../../src/domain/target.ts";
import { type AppOptions, createApp } from "../../../src/http/app.ts";
import { type ConnectionLimit, connectionLimitOf } from "../../../src/http/connection-limit.ts";
import type { NamedTokenOptions } from "../../../src/http/named-token.ts";
import { type Gauges, idleGauges } from "../../../src/http/gauges.ts";
import { createMetrics, observed } from "../../../src/http/metrics.ts";
import type { Version } from "../../../src/http/schema.ts";

export const summit: Metadata = {
  bytes: 3032449,
  bytesSource: "counted",
  type: "image/jpeg",
  blurhash: "LEHV6nWB2yk8pyo0adR*.7kCMdnj",
  width: 4096,
  height: 2160,
  thumbhash: "1QcSHQRnh493V4dIh4eXh1h4kJUI",
  thumbnail:
    "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAYAAAAICAIAAABVpBlvAAAAo0lEQVR42gGYAGf/AEhSc19lf3F0h21zhV5sg1VqhgBmZ3x9eomNh4+EgIhydoJqdYYAmYyStaSky7awv62lp5yanpqdAIZwaqSKf7+hj7GVg5J+cYh6cwA/LCRUPDBsUD5gRjREMSU/My0AFQ4QHREPMyQcMyUeJR4dKikuAAIIGgQGEhoaIiIkLRYfLhkoPgAACCMAAhkNGCoSHzMBDScACytO3S/DxEINCQAAAABJRU5ErkJggg==",
  animated: false,
  durationMs: null,
  sha256: "35da6a0d".repeat(8),
  filename: null,
  warnings: [],
};

export const version: Version = {
  version: "1.2.3",
  commit: "0123456789abcdef0123456789abcdef01234567",
  node: "24.0.0",
  libvips: "8.18.0",
  formats: ["png"],
};

/** The connection limit of a machine without a descriptor limit. */
const noDescriptorLimit = connectionLimitOf(Infinity, { fetches: 64, workers: 4 });

/** Parses any http(s) URL to a target; rejects other texts like the real parser. */
export function parseAnything(text: string): Target {
  if (!URL.canParse(text)) throw new OracleError("url_invalid", "not a URL");
  const url = new URL(text);
  if (!url.protocol.startsWith("http")) throw new OracleError("url_unsupported", "the scheme");
  url.hash = "";
  return { href: url.href, url, via: null };
}

/** A lookup that ends at once. */
export function described(part: Partial<Metadata> = summit): Description {
  return startDescription((progress) => Promise.resolve(progress.learn(part)));
}

/** Creates an HTTP app that describes any URL at once, not listening. */
export function plainApp(settings: Partial<AppOptions> = {}): ReturnType<typeof createApp> {
  return createApp({
    memoizedBytes: 1_000_000,
    oracle: () => described(),
    invalidate: () => Promise.resolve(),
    parseTarget: parseAnything,
    isCached: () => false,
    tokens: [],
    namedTokens: null,
    hostnames: null,
    corsOrigins: [],
    inactivityTimeoutMs: 60_000,
    rateLimit: null,
    isTrustedProxy: null,
    readiness: () => "ok",
    metrics: createMetrics(idleGauges),
    logger: pino({ level: "silent" }),
    connectionLimit: noDescriptorLimit,
    version: () => version,
    tracing: null,
    page: null,
    ...settings,
  });
}

export function failed(error: OracleError): Description {
  return startDescription(() => Promise.reject(error));
}

/** Returns a description from the cache. */
export function cachedDescription(
  metadata: Metadata,
  kept: NonNullable<Description["kept"]>,
  cached: Description["cached"] = "hit",
): Description {
  const done = Promise.resolve(metadata);
  return {
    known: metadata,
    done,
    until: () => done,
    fields: null,
    cached,
    timings: {},
    stages: [],
    decodeTimeoutCause: null,
    terms: null,
    kept,
  };
}

export interface RunningApp {
  readonly url: string;
  readonly port: number;
  /** Log lines since the app listens, as text. */
  log(): string;
  /** Log lines before the app listened. */
  readonly startLog: string;
  close(): Promise<void>;
}

export interface AppSettings {
  readonly tokens?: readonly string[];
  readonly namedTokens?: NamedTokenOptions;
  readonly hostnames?: readonly string[];
  readonly corsOrigins?: readonly string[];
  readonly inactivityTimeoutMs?: number;
  readonly isCached?: AppOptions["isCached"];
  readonly parseTarget?: AppOptions["parseTarget"];
  readonly rateLimit?: NonNullable<AppOptions["rateLimit"]>;
  readonly isTrustedProxy?: AppOptions["isTrustedProxy"];
  readonly readiness?: AppOptions["readiness"];
  readonly shared?: Gauges["shared"];
  readonly invalidate?: (target: Target) => Promise<void>;
  readonly level?: string;
  readonly page?: string;
  readonly connectionLimit?: ConnectionLimit;
  /** An address, or `localhost`; 127.0.0.1 if absent. */
  readonly host?: string;
}

export async function startApp(oracle: Oracle, settings: AppSettings = {}): Promise<RunningApp> {
  const lines: string[] = [];
  const metrics = createMetrics({
    ...idleGauges,
    inflight: () => 1,
    queueDepths: () => ({ fetch: 2, decode: 4, unpredictable: 5, workers: 6 }),
    decoderRestarts: () => 3,
    enabled: () => ({ png: true, svg: false }),
    fetchedBytes: () => 7,
    cache: () => ({
      success: { entries: 8, bytes: 9, evictions: 10 },
      failure: { entries: 11, bytes: 12, evictions: 13 },
    }),
    shared: settings.shared ?? null,
    build: version,
  });
  const app = await createApp({
    memoizedBytes: 1_000_000,
    oracle: observed(oracle, metrics),
    invalidate: settings.invalidate ?? (() => Promise.resolve()),
    parseTarget: settings.parseTarget ?? parseAnything,
    isCached: settings.isCached ?? (() => false),
    tokens: settings.tokens ?? [],
    namedTokens: settings.namedTokens ?? null,
    hostnames: settings.hostnames ?? null,
    corsOrigins: settings.corsOrigins ?? [],
    inactivityTimeoutMs: settings.inactivityTimeoutMs ?? 60_000,
    rateLimit: settings.rateLimit ?? null,
    isTrustedProxy: settings.isTrustedProxy ?? null,
    readiness: settings.readiness ?? (() => "ok"),
    metrics,
    logger: pino({ level: settings.level ?? "debug" }, { write: (line: string) => void lines.push(line) }),
    connectionLimit: settings.connectionLimit ?? noDescriptorLimit,
    version: () => version,
    tracing: null,
    page: settings.page ?? null,
  });
  const url = await app.listen({ host: settings.host ?? "127.0.0.1", port: 0 });
  const startLog = lines.splice(0).join("");
  return { url, port: Number(new URL(url).port), log: () => lines.join(""), startLog, close: () => app.close() };
}

export { unknownMetadata };
