import type { FastifyInstance, FastifyRequest } from "fastify";
import { nameOf } from "./auth.ts";
import type { Lookups, Outcome } from "./lookups.ts";

/** Sends spans of questions to a collector: `src/tracing.ts`, which alone knows how. */
export interface Tracing {
  /** @param traceparent as it came, from a stranger (W3C Trace Context 3.2); empty where none did */
  begin(request: TracedRequest, traceparent: string): RequestSpan;
}

/** What is told of a request: its route, never its path. */
export interface TracedRequest {
  readonly id: string;
  readonly method: string;
  readonly route: string;
}

export interface RequestSpan {
  /**
   * Tells how a question of the request was answered.
   *
   * @param startedAt `performance.now()` when it was asked
   */
  answered(outcome: Outcome, startedAt: number): void;
  end(status: number, client: string): void;
}

const spans = new WeakMap<FastifyRequest, RequestSpan>();

/** Begins a span with each request about metadata, and ends it with the answer, or where its caller leaves. */
export function traceRequests(app: FastifyInstance, tracing: Tracing): void {
  app.addHook("onRequest", (request, reply, done) => {
    const { url: route = "" } = request.routeOptions;
    // Probes and scrapes come every few seconds, and tell nothing.
    if (!route.startsWith("/metadata")) return done();
    const { traceparent = "" } = request.headers;
    const span = tracing.begin({ id: request.id, method: request.method, route }, String(traceparent));
    spans.set(request, span);
    reply.raw.once("close", () => span.end(reply.raw.statusCode, nameOf(request.client)));
    done();
  });
}

/** Tells the request's span how each question was answered. */
export function traced(lookups: Lookups): Lookups {
  return {
    ...lookups,
    lookUp(request, question, startedAt) {
      const outcome = lookups.lookUp(request, question, startedAt);
      const tell = (outcome: Outcome) => {
        spans.get(request)?.answered(outcome, startedAt);
        return outcome;
      };
      return outcome instanceof Promise ? outcome.then(tell) : tell(outcome);
    },
  };
}
