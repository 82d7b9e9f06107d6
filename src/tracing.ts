import { setTimeout as after } from "node:timers/promises";
import {
  type Attributes,
  type Context,
  diag,
  DiagLogLevel,
  ROOT_CONTEXT,
  type Span,
  SpanKind,
  SpanStatusCode,
  trace,
} from "@opentelemetry/api";
import { ExportResultCode, parseTraceParent } from "@opentelemetry/core";
import { OTLPTraceExporter } from "@opentelemetry/exporter-trace-otlp-http";
import { detectResources, envDetector, resourceFromAttributes } from "@opentelemetry/resources";
import { BasicTracerProvider, BatchSpanProcessor, type SpanExporter } from "@opentelemetry/sdk-trace-base";
import type { Logger } from "pino";
import type { Outcome } from "./http/lookups.ts";
import type { Tracing } from "./http/tracing.ts";

export interface TracingOptions {
  /** Version of media-oracle. */
  readonly version: string;
  readonly logger: Logger;
}

// Timeout for the last export: a slow collector must not delay the shutdown.
const closeMs = 1000;

/**
 * Exports spans by OTLP over HTTP, as JSON: one per request, with a child for each stage that its answer waited for.
 *
 * The SDK reads its own variables (`OTEL_*`). Nothing is registered globally and no module is patched, so that no trace header
 * is sent to an origin.
 */
export function createTracing({ version, logger }: TracingOptions): Tracing & { close(): Promise<void> } {
  // The SDK reports invalid variables at its construction. Failed exports are logged by `logFailures`, once.
  const warn = (words: string) => logger.warn(`OpenTelemetry: ${words}`);
  const silent = (): void => undefined;
  diag.setLogger({ error: warn, warn, info: silent, debug: silent, verbose: silent }, DiagLogLevel.WARN);
  const provider = new BasicTracerProvider({
    resource: resourceFromAttributes({ "service.name": "media-oracle", "service.version": version }).merge(
      detectResources({ detectors: [envDetector] }),
    ),
    spanProcessors: [new BatchSpanProcessor(logFailures(new OTLPTraceExporter(), logger))],
  });
  diag.disable();
  const tracer = provider.getTracer("media-oracle", version);

  function addStages(parent: Context, { description }: Outcome, receivedAt: number): void {
    for (const { stage, startedAt, milliseconds } of description?.stages ?? []) {
      // A coalesced request did not wait for the stages that had ended before.
      const waitedFrom = Math.max(startedAt, receivedAt);
      const endedAt = Math.min(startedAt + milliseconds, performance.now());
      if (endedAt >= waitedFrom) tracer.startSpan(stage, { startTime: waitedFrom }, parent).end(endedAt);
    }
  }

  return {
    begin({ id, method, route }, traceparent) {
      const parent = parseTraceParent(traceparent);
      const span = tracer.startSpan(
        `${method} ${route}`,
        {
          kind: SpanKind.SERVER,
          attributes: { "http.request.method": method, "http.route": route, "media_oracle.request_id": id },
        },
        parent ? trace.setSpanContext(ROOT_CONTEXT, { ...parent, isRemote: true }) : ROOT_CONTEXT,
      );
      const within = trace.setSpan(ROOT_CONTEXT, span);
      const isBatch = route.endsWith("/batch");
      return {
        answered(outcome, receivedAt) {
          // In a batch, each URL has a span of its own.
          const own = isBatch ? tracer.startSpan("describe", { startTime: receivedAt }, within) : span;
          setOutcome(own, outcome);
          addStages(isBatch ? trace.setSpan(ROOT_CONTEXT, own) : within, outcome, receivedAt);
          if (isBatch) own.end();
        },
        end(status, client) {
          span.setAttributes({ "http.response.status_code": status, "media_oracle.client": client });
          if (status >= 500) span.setStatus({ code: SpanStatusCode.ERROR });
          span.end();
        },
      };
    },
    async close() {
      await Promise.race([provider.shutdown().catch(silent), after(closeMs, undefined, { ref: false })]);
    },
  };
}

/** Sets the attributes that logs have too: the host, and values from closed lists. */
function setOutcome(span: Span, { target, description, error }: Outcome): void {
  const attributes: Attributes = {
    "media_oracle.host": target?.url.host,
    "media_oracle.cached": description?.cached,
    "error.type": error?.code,
    "media_oracle.reason": error?.reason,
  };
  span.setAttributes(attributes);
}

/** Logs when exports start to fail, and when they work again. */
function logFailures(exporter: SpanExporter, logger: Logger): SpanExporter {
  let wasHealthy = true;
  return {
    export(spans, done) {
      exporter.export(spans, (result) => {
        const isHealthy = result.code === ExportResultCode.SUCCESS;
        const { code: reason } = (result.error ?? {}) as NodeJS.ErrnoException;
        if (wasHealthy && !isHealthy)
          logger.warn({ reason }, "the collector is unavailable: spans cannot be sent and are lost");
        if (!wasHealthy && isHealthy) logger.info("the collector is available again");
        wasHealthy = isHealthy;
        done(result);
      });
    },
    shutdown: () => exporter.shutdown(),
    forceFlush: () => exporter.forceFlush?.() ?? Promise.resolve(),
  };
}
