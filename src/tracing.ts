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
  /** Of the program. */
  readonly version: string;
  readonly logger: Logger;
}

// What is still to be sent at a shutdown: nobody waits longer for a collector.
const closeMs = 1000;

/**
 * Sends spans by OTLP over HTTP, as JSON: one a request, and below it one for each stage that its answer waited for.
 *
 * The SDK reads its own variables (`OTEL_*`). Nothing is registered globally and nothing is patched, so that no other library
 * joins in: no trace header goes to an origin.
 */
export function createTracing({ version, logger }: TracingOptions): Tracing & { close(): Promise<void> } {
  // Of wrong variables the SDK tells while it is put together; of exports that fail `told` does, and once.
  const warn = (words: string) => logger.warn(`OpenTelemetry: ${words}`);
  const silent = (): void => undefined;
  diag.setLogger({ error: warn, warn, info: silent, debug: silent, verbose: silent }, DiagLogLevel.WARN);
  const provider = new BasicTracerProvider({
    resource: resourceFromAttributes({ "service.name": "media-oracle", "service.version": version }).merge(
      detectResources({ detectors: [envDetector] }),
    ),
    spanProcessors: [new BatchSpanProcessor(told(new OTLPTraceExporter(), logger))],
  });
  diag.disable();
  const tracer = provider.getTracer("media-oracle", version);

  function addStages(parent: Context, { description }: Outcome, askedAt: number): void {
    for (const { stage, startedAt, milliseconds } of description?.stages ?? []) {
      // Who joined a lookup under way did not wait for what had been done.
      const waitedFrom = Math.max(startedAt, askedAt);
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
        answered(outcome, askedAt) {
          // Of a batch each question has a span of its own.
          const own = isBatch ? tracer.startSpan("describe", { startTime: askedAt }, within) : span;
          tellOutcome(own, outcome);
          addStages(isBatch ? trace.setSpan(ROOT_CONTEXT, own) : within, outcome, askedAt);
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

/** As much as the logs tell: the host, and words from closed lists. */
function tellOutcome(span: Span, { target, description, error }: Outcome): void {
  const attributes: Attributes = {
    "media_oracle.host": target?.url.host,
    "media_oracle.cached": description?.cached,
    "error.type": error?.code,
    "media_oracle.reason": error?.reason,
  };
  span.setAttributes(attributes);
}

/** Logs when a collector begins to fail, and when it takes spans again. */
function told(exporter: SpanExporter, logger: Logger): SpanExporter {
  let wasWell = true;
  return {
    export(spans, done) {
      exporter.export(spans, (result) => {
        const isWell = result.code === ExportResultCode.SUCCESS;
        const { code: reason } = (result.error ?? {}) as NodeJS.ErrnoException;
        if (wasWell && !isWell) logger.warn({ reason }, "spans cannot be sent to the collector: they are lost");
        if (!wasWell && isWell) logger.info("spans can be sent to the collector again");
        wasWell = isWell;
        done(result);
      });
    },
    shutdown: () => exporter.shutdown(),
    forceFlush: () => exporter.forceFlush?.() ?? Promise.resolve(),
  };
}
