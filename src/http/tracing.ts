import type { FastifyInstance, FastifyRequest } from "fastify";
import { nameOf } from "./auth.ts";
import type { Lookups, Outcome } from "./lookups.ts";

/** Sends a span for each metadata request to an OpenTelemetry collector; implemented in `src/tracing.ts`. */
export interface Tracing {
  /** @param traceparent unchecked, from the caller (W3C Trace Context 3.2); empty if absent */
  begin(request: TracedRequest, traceparent: string): RequestSpan;
}

/** The request, in a span: its route, never its path. */
export interface TracedRequest {
  readonly id: string;
  readonly method: string;
  readonly route: string;
}

export interface RequestSpan {
  /**
   * Records the outcome of one URL of the request, which has several if it is a batch.
   *
   * @param startedAt `performance.now()` when the request, or this URL of a batch, was received
   */
  answered(outcome: Outcome, startedAt: number): void;
  end(status: number, client: string): void;
}

const spans = new WeakMap<FastifyRequest, RequestSpan>();

/** Starts a span with each metadata request, and ends it with the answer or when the caller disconnects. */
export function traceRequests(app: FastifyInstance, tracing: Tracing): void {
  app.addHook("onRequest", (request, reply, done) => {
    const { url: route = "" } = request.routeOptions;
    // No spans for probes and scrapes: they come every few seconds.
    if (!route.startsWith("/metadata")) return done();
    const { traceparent = "" } = request.headers;
    const span = tracing.begin({ id: request.id, method: request.method, route }, String(traceparent));
    spans.set(request, span);
    reply.raw.once("close", () => span.end(reply.raw.statusCode, nameOf(request.client)));
    done();
  });
}

/** Wraps lookups: records each outcome in the span of its request. */
export function traced(lookups: Lookups): Lookups {
  return {
    ...lookups,
    lookUp(request, question, startedAt) {
      const outcome = lookups.lookUp(request, question, startedAt);
      const record = (outcome: Outcome) => {
        spans.get(request)?.answered(outcome, startedAt);
        return outcome;
      };
      return outcome instanceof Promise ? outcome.then(record) : record(outcome);
    },
  };
}
