import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from "prom-client";
import type { Cached, Oracle, Timings } from "../domain/description.ts";
import { type DecodeTimeoutCause, decodeTimeoutCauses } from "../domain/decode-timeout.ts";
import { type FailureCode, failures, type OracleError, toOracleError } from "../domain/errors.ts";
import { addCacheMetrics } from "./cache-metrics.ts";
import type { Gauges } from "./gauges.ts";
import { addResponseTimes } from "./response-times.ts";

/** Metrics for the operator. No label has a host of a URL, or text of a caller or an origin. */
export interface Metrics {
  /** Counts a request by client: the name in a valid token, never unauthenticated text. Cheap: on the hot path of hits. */
  requested(client: string): void;
  /** Counts a response and its time, from the arrival of the request, by cache result. Cheap: on the hot path of hits. */
  answered(cached: Cached, milliseconds: number): void;
  /** Counts a lookup that was refused by the target parser or the rate limit. */
  refused(code: "url_invalid" | "url_unsupported" | "rate_limited"): void;
  /** Counts a failure response, whether or not a lookup was started. */
  notAnswered(code: FailureCode): void;
  /** Counts a successful lookup at the origin, and its stages. */
  described(how: "success" | "not_modified", type: string, timings: Timings): void;
  /** Counts a failed lookup at the origin, and its stages. */
  failed(error: OracleError, timings: Timings): void;
  /** Counts a lookup that ended with the warning `decode_timeout`. */
  decodeTimedOut(cause: DecodeTimeoutCause): void;
  /** Prometheus text exposition format 0.0.4. */
  text(): Promise<string>;
  readonly contentType: string;
}

// The `format` label of decode times. Other types share one label: an origin chooses the type, and each label value costs memory.
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

// Up to the default fetch timeout (15 s). Few buckets: each is multiplied by four stages.
const stageBuckets = [0.005, 0.025, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 15];

export function createMetrics(gauges: Gauges): Metrics {
  const register = new Registry();
  const registers = [register];
  collectDefaultMetrics({ register });

  const { version, commit, node } = gauges.build;
  new Gauge({
    name: "media_oracle_build_info",
    help: "Always 1: version and commit of the program, version of Node",
    labelNames: ["version", "commit", "node"],
    registers,
  }).set({ version, commit: commit ?? "", node }, 1);
  const responseTimes = addResponseTimes(register);
  new Counter({
    name: "media_oracle_cache_total",
    help: "Responses by cache result",
    labelNames: ["result"],
    registers,
    collect() {
      this.reset();
      for (const [result, count] of responseTimes.counts()) this.inc({ result }, count);
    },
  });
  // Plain numbers, collected at a scrape: an increment of prom-client costs more than the rest of a cache hit.
  const requested = new Map<string, number>();
  new Counter({
    name: "media_oracle_requests_total",
    help: "Requests by client: the name in the token, `token` without a name, `anonymous` without tokens",
    labelNames: ["client"],
    registers,
    collect() {
      this.reset();
      for (const [client, count] of requested) this.inc({ client }, count);
    },
  });
  const sources = new Counter({
    name: "media_oracle_source_total",
    help: "Lookups at origins by outcome: success, not_modified or a failure code",
    labelNames: ["outcome"],
    registers,
  });
  const refusals = new Counter({
    name: "media_oracle_refused_total",
    help: "Refused requests by code, and unreachable origins by cause, which callers do not learn",
    labelNames: ["reason"],
    registers,
  });
  const notAnswered = new Counter({
    name: "media_oracle_failures_total",
    help: "Failed requests by code",
    labelNames: ["code"],
    registers,
  });
  const stages = new Histogram({
    name: "media_oracle_stage_seconds",
    help: "Duration of the stages of lookups: queue, fetch, decode, hash",
    labelNames: ["stage"],
    buckets: stageBuckets,
    registers,
  });
  const decodes = new Histogram({
    name: "media_oracle_decode_seconds",
    help: "Decode time by format",
    labelNames: ["format"],
    buckets: decodeBuckets,
    registers,
  });
  const decodeTimeouts = new Counter({
    name: "media_oracle_decode_timeouts_total",
    help: "Lookups with the warning decode_timeout by cause, which callers do not learn",
    labelNames: ["cause"],
    registers,
  });
  new Gauge({
    name: "media_oracle_inflight",
    help: "Lookups in progress",
    registers,
    collect() {
      this.set(gauges.inflight());
    },
  });
  new Gauge({
    name: "media_oracle_queue_depth",
    help: "Waiting lookups by queue: fetch (slots), decode and unpredictable (bodies), workers",
    labelNames: ["queue"],
    registers,
    collect() {
      for (const [queue, depth] of Object.entries(gauges.queueDepths())) this.set({ queue }, depth);
    },
  });
  new Counter({
    name: "media_oracle_decoder_restarts_total",
    help: "Replaced decoder workers",
    registers,
    collect() {
      this.reset();
      this.inc(gauges.decoderRestarts());
    },
  });
  addCacheMetrics(registers, gauges);
  new Counter({
    name: "media_oracle_fetched_bytes_total",
    help: "Bytes of bodies that origins sent",
    registers,
    collect() {
      this.reset();
      this.inc(gauges.fetchedBytes());
    },
  });
  new Gauge({
    name: "media_oracle_format_enabled",
    help: "1 for each enabled format. poster: a frame of videos, by ffmpeg",
    labelNames: ["format"],
    registers,
    collect() {
      for (const [format, isOn] of Object.entries(gauges.enabled())) this.set({ format }, Number(isOn));
    },
  });

  // All codes start at 0: a Prometheus rate ignores the first value of a series.
  for (const code of Object.keys(failures)) notAnswered.inc({ code }, 0);
  for (const cause of Object.keys(decodeTimeoutCauses)) decodeTimeouts.inc({ cause }, 0);

  function observeStages(timings: Timings): void {
    for (const [stage, milliseconds] of Object.entries(timings)) stages.observe({ stage }, milliseconds / 1000);
  }

  return {
    requested: (client) => void requested.set(client, (requested.get(client) ?? 0) + 1),
    answered: responseTimes.observe,
    refused: (reason) => refusals.inc({ reason }),
    notAnswered: (code) => notAnswered.inc({ code }),
    described(outcome, type, timings) {
      sources.inc({ outcome });
      observeStages(timings);
      if (timings.decode !== undefined) decodes.observe({ format: formatOf(type) }, timings.decode / 1000);
    },
    failed({ code, reason }, timings) {
      sources.inc({ outcome: code });
      observeStages(timings);
      if (reason !== undefined) refusals.inc({ reason });
    },
    decodeTimedOut: (cause) => decodeTimeouts.inc({ cause }),
    text: () => register.metrics(),
    contentType: register.contentType,
  };
}

/** Wraps an oracle: counts the outcomes of its lookups. Callers notice nothing. */
export function observed(oracle: Oracle, metrics: Metrics): Oracle {
  return (target, fields, previous) => {
    const description = oracle(target, fields, previous);
    description.done.then(
      ({ type }) => {
        const how = description.cached === "revalidated" ? "not_modified" : "success";
        metrics.described(how, type, description.timings);
        if (description.decodeTimeoutCause) metrics.decodeTimedOut(description.decodeTimeoutCause);
      },
      (error: unknown) => metrics.failed(toOracleError(error), description.timings),
    );
    return description;
  };
}
