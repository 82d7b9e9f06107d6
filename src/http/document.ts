import { pino } from "pino";
import { createApp } from "./app.ts";
import { connectionLimitOf } from "./connection-limit.ts";
import { idleGauges } from "./gauges.ts";
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
    isTrustedProxy: null,
    readiness: () => "ok",
    metrics: createMetrics(idleGauges),
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
