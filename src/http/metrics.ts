import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from "prom-client";
import type { Cached, Oracle, Timings } from "../domain/description.ts";
import { type FailureCode, failures, type OracleError, toOracleError } from "../domain/errors.ts";

/** What is counted for the operator. No label ever holds a host of a URL, or a word from a caller or an origin. */
export interface Metrics {
  /** Counts a question by who asks: a name of a token that was made, never what a stranger sends. Free, too. */
  requested(client: string): void;
  /** Counts an answer by how its description was come by. Free: the hot path of a hit. */
  answered(cached: Cached): void;
  /** Counts a question that was not looked up: the target parser or the rate limit refused it. */
  refused(code: "url_invalid" | "url_unsupported" | "rate_limited"): void;
  /** Counts a question that was answered with a failure, whether or not it was looked up. */
  notAnswered(code: FailureCode): void;
  /** Counts how a lookup ended, once for each that went to the origin. */
  described(how: "success" | "not_modified", type: string, timings: Timings): void;
  failed(error: OracleError, timings: Timings): void;
  /** Prometheus text exposition format 0.0.4. */
  text(): Promise<string>;
  readonly contentType: string;
}

/** Numbers that others keep, read when the metrics are. */
export interface Gauges {
  /** Lookups under way. */
  inflight(): number;
  /** Lookups that wait for a slot. */
  queueDepth(): number;
  /** Decoder processes that had to be replaced since the start. */
  decoderRestarts(): number;
  /** What is looked into, by the names that the settings have for it, and `poster` for frames of videos. */
  enabled(): Readonly<Record<string, boolean>>;
  /** Of the cache that replicas share; null where there is none. */
  readonly shared: SharedGauges | null;
}

export interface SharedGauges {
  /** Whether it is there, and takes what it is given. */
  isWell(): boolean;
  /** Since the start, and how many of them failed. */
  calls(): number;
  failures(): number;
  /** Questions that it answered, since the start. */
  answers(): number;
}

// What decodes are called by; an origin chooses the type, so that any other must share one label or be a series of its own.
const decodedTypes: Readonly<Record<string, string>> = {
  "image/jpeg": "jpeg",
  "image/png": "png",
  "image/apng": "apng",
  "image/gif": "gif",
  "image/webp": "webp",
  "image/avif": "avif",
  "image/heic": "heic",
  "image/heif": "heic",
  "image/jxl": "jxl",
  "image/tiff": "tiff",
  "image/bmp": "bmp",
  "image/vnd.microsoft.icon": "ico",
  "image/svg+xml": "svg",
  "application/pdf": "pdf",
};

function formatOf(type: string): string {
  const [, kind = ""] = /^(video|audio)\//.exec(type) ?? [];
  return decodedTypes[type] ?? (kind || "other");
}

// From a thumbnail (a few ms) to the decode time limit's default (10 s).
const decodeBuckets = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];

// To the fetch time limit's default (15 s); there are four stages, so it may not be many.
const stageBuckets = [0.005, 0.025, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 15];

function addSharedMetrics(registers: Registry[], shared: SharedGauges): void {
  new Gauge({
    name: "media_oracle_shared_up",
    help: "Whether the shared cache is there, and takes what it is given",
    registers,
    collect() {
      this.set(shared.isWell() ? 1 : 0);
    },
  });
  new Counter({
    name: "media_oracle_shared_calls_total",
    help: "Calls to the shared cache; one that failed was done without",
    labelNames: ["outcome"],
    registers,
    collect() {
      this.reset();
      this.inc({ outcome: "ok" }, shared.calls() - shared.failures());
      this.inc({ outcome: "failed" }, shared.failures());
    },
  });
  new Counter({
    name: "media_oracle_shared_answers_total",
    help: "Answers that the shared cache had, of those that media_oracle_cache_total has as hit or stale",
    registers,
    collect() {
      this.reset();
      this.inc(shared.answers());
    },
  });
}

export function createMetrics(gauges: Gauges): Metrics {
  const register = new Registry();
  const registers = [register];
  collectDefaultMetrics({ register });

  // Plain numbers, handed over when somebody reads: an increment of prom-client's costs more than all else a hit does.
  const answered: Record<Cached, number> = { hit: 0, miss: 0, collapsed: 0, stale: 0, revalidated: 0 };
  new Counter({
    name: "media_oracle_cache_total",
    help: "Answers by how the description was come by",
    labelNames: ["result"],
    registers,
    collect() {
      this.reset();
      for (const [result, count] of Object.entries(answered)) this.inc({ result }, count);
    },
  });
  const requested = new Map<string, number>();
  new Counter({
    name: "media_oracle_requests_total",
    help: "Questions by whose token they came with: its name, token where it says none, anonymous where none is needed",
    labelNames: ["client"],
    registers,
    collect() {
      this.reset();
      for (const [client, count] of requested) this.inc({ client }, count);
    },
  });
  const sources = new Counter({
    name: "media_oracle_source_total",
    help: "Lookups that went to an origin, by outcome: success, not_modified or a failure code",
    labelNames: ["outcome"],
    registers,
  });
  const refusals = new Counter({
    name: "media_oracle_refused_total",
    help: "Questions that were refused, by code, and sources that were not reached, by the reason that callers are not told",
    labelNames: ["reason"],
    registers,
  });
  const notAnswered = new Counter({
    name: "media_oracle_failures_total",
    help: "Questions that were answered with a failure, by code",
    labelNames: ["code"],
    registers,
  });
  const stages = new Histogram({
    name: "media_oracle_stage_seconds",
    help: "Time that the stages of lookups took: queue, fetch, decode, hash",
    labelNames: ["stage"],
    buckets: stageBuckets,
    registers,
  });
  const decodes = new Histogram({
    name: "media_oracle_decode_seconds",
    help: "Time that decoding took, by format",
    labelNames: ["format"],
    buckets: decodeBuckets,
    registers,
  });
  new Gauge({
    name: "media_oracle_inflight",
    help: "Lookups under way",
    registers,
    collect() {
      this.set(gauges.inflight());
    },
  });
  new Gauge({
    name: "media_oracle_queue_depth",
    help: "Lookups that wait for a slot",
    registers,
    collect() {
      this.set(gauges.queueDepth());
    },
  });
  new Counter({
    name: "media_oracle_decoder_restarts_total",
    help: "Decoder processes that had to be replaced",
    registers,
    collect() {
      this.reset();
      this.inc(gauges.decoderRestarts());
    },
  });
  if (gauges.shared) addSharedMetrics(registers, gauges.shared);

  new Gauge({
    name: "media_oracle_format_enabled",
    help: "What is looked into: 1 where it is on. poster: a frame of videos, which takes ffmpeg",
    labelNames: ["format"],
    registers,
    collect() {
      for (const [format, isOn] of Object.entries(gauges.enabled())) this.set({ format }, Number(isOn));
    },
  });

  // All from the beginning: a rate does not see what a series begins with.
  for (const code of Object.keys(failures)) notAnswered.inc({ code }, 0);

  function took(timings: Timings): void {
    for (const [stage, milliseconds] of Object.entries(timings)) stages.observe({ stage }, milliseconds / 1000);
  }

  return {
    requested: (client) => void requested.set(client, (requested.get(client) ?? 0) + 1),
    answered: (cached) => void (answered[cached] += 1),
    refused: (reason) => refusals.inc({ reason }),
    notAnswered: (code) => notAnswered.inc({ code }),
    described(outcome, type, timings) {
      sources.inc({ outcome });
      took(timings);
      if (timings.decode !== undefined) decodes.observe({ format: formatOf(type) }, timings.decode / 1000);
    },
    failed({ code, reason }, timings) {
      sources.inc({ outcome: code });
      took(timings);
      if (reason !== undefined) refusals.inc({ reason });
    },
    text: () => register.metrics(),
    contentType: register.contentType,
  };
}

/** Counts how the lookups of an oracle end, whoever waits for them. Nothing that they notice. */
export function observed(oracle: Oracle, metrics: Metrics): Oracle {
  return (target, fields, previous) => {
    const description = oracle(target, fields, previous);
    description.done.then(
      ({ type }) => {
        const how = description.cached === "revalidated" ? "not_modified" : "success";
        metrics.described(how, type, description.timings);
      },
      (error: unknown) => metrics.failed(toOracleError(error), description.timings),
    );
    return description;
  };
}
