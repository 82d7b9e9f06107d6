import fastify, { type FastifyInstance } from "fastify";
import type { Logger } from "pino";
import { OracleError, toOracleError } from "../domain/errors.ts";
import { beginAnswer } from "./answer.ts";
import { createAccess } from "./auth.ts";
import type { BrowserGuardOptions } from "./browser-guard.ts";
import { type ConnectionOptions, connectionOptions, refuseConnection } from "./connection.ts";
import { boundConnections } from "./connection-limit.ts";
import type { Metrics } from "./metrics.ts";
import { sendProblem } from "./problem.ts";
import { requestInvalid } from "./request-faults.ts";
import { createRequestIds } from "./request-id.ts";
import { answerUnrouted } from "./unrouted.ts";

export interface MetricsAppOptions extends ConnectionOptions, Pick<BrowserGuardOptions, "hostnames"> {
  readonly metrics: Pick<Metrics, "text" | "contentType">;
  readonly logger: Logger;
}

// Two Prometheus servers with one connection each, and room for a person. They are part of the descriptors that the program
// itself needs (connection-limit.ts).
const maxConnections = 6;

/**
 * Builds the listener for Prometheus: only `GET /metrics`, without a token. It does not listen yet.
 *
 * Every program that reaches its port can read the metrics, so the network has to keep strangers away. Browsers are refused as on the API
 * without tokens: a foreign page must not read the metrics (DNS rebinding).
 */
export function createMetricsApp({ metrics, hostnames, logger, ...options }: MetricsAppOptions): FastifyInstance {
  const requestIdOf = createRequestIds();
  const app = fastify({
    ...connectionOptions(options),
    logger: false,
    genReqId: requestIdOf,
    return503OnClosing: false,
    clientErrorHandler: (error, socket) => refuseConnection(error, socket, requestIdOf({ headers: {} })),
    frameworkErrors: (error, _request, reply) => void sendProblem(reply, requestInvalid(error.code, [])),
  });
  boundConnections(app, maxConnections, logger);
  app.setErrorHandler((thrown, _request, reply) => {
    const error = toOracleError(thrown);
    if (!(thrown instanceof OracleError)) logger.error({ code: error.code }, "the metrics cannot be read");
    return sendProblem(reply, error);
  });
  answerUnrouted(app);
  const { guards } = createAccess({ tokens: [], namedTokens: null, hostnames, corsOrigins: [] });
  app.get("/metrics", { onRequest: guards }, async (_request, reply) =>
    beginAnswer(reply, 200, metrics.contentType)
      .header("cache-control", "no-store")
      .send(await metrics.text()),
  );
  return app;
}
