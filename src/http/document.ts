import { pino } from "pino";
import { createApp } from "./app.ts";
import { connectionLimitOf } from "./connection-limit.ts";
import { createMetrics } from "./metrics.ts";
import { inactivityTimeoutMs } from "./timeouts.ts";

/** Generates the OpenAPI document from an app that serves no request. */
export async function openapiDocument(version: string): Promise<object> {
  const unused = (): never => {
    throw new Error("this app only generates the OpenAPI document");
  };
  const app = await createApp({
    oracle: unused,
    invalidate: unused,
    parseTarget: unused,
    isCached: unused,
    memoizedBytes: 0,
    tokens: [],
    namedTokens: null,
    hostnames: null,
    corsOrigins: [],
    inactivityTimeoutMs,
    rateLimit: null,
    readiness: () => "ok",
    metrics: createMetrics({
      inflight: () => 0,
      queueDepths: () => ({ fetch: 0, decode: 0, unpredictable: 0, workers: 0 }),
      decoderRestarts: () => 0,
      enabled: () => ({}),
      shared: null,
    }),
    logger: pino({ level: "silent" }),
    version: () => ({ version, commit: null, node: "", libvips: null, formats: [] }),
    connectionLimit: connectionLimitOf(Infinity, { fetches: 1, workers: 1 }),
    tracing: null,
    page: null,
  });
  const document = app.swagger();
  await app.close();
  return document;
}
