import fastify, { type FastifyInstance, type FastifyReply, type FastifyRequest } from "fastify";
import type { Logger } from "pino";
import type { z } from "zod";
import type { Oracle } from "../domain/description.ts";
import { OracleError, toOracleError } from "../domain/errors.ts";
import type { Fields } from "../domain/fields.ts";
import type { Target } from "../domain/target.ts";
import { type AccessOptions, createAccess } from "./auth.ts";
import { addBatchRoute } from "./batch-route.ts";
import { createAddressOf } from "./client-address.ts";
import { type ConnectionOptions, connectionOptions, refuseConnection } from "./connection.ts";
import { type ConnectionLimit, limitConnections } from "./connection-limit.ts";
import { allowOrigins, varyOf } from "./cors.ts";
import { createHits } from "./hits.ts";
import { parseJson } from "./json-text.ts";
import { createLookupLog } from "./log.ts";
import { createLookups } from "./lookups.ts";
import { addMetadataRoutes } from "./metadata-routes.ts";
import type { Metrics } from "./metrics.ts";
import { registerOpenapi } from "./openapi.ts";
import { addOperationRoutes } from "./operation-routes.ts";
import { addPageRoutes } from "./page-routes.ts";
import { sendProblem } from "./problem.ts";
import { createRateLimit, type RateLimitOptions } from "./rate-limit.ts";
import { memoizeParser } from "./memoize-parser.ts";
import { explainIssues, requestInvalid } from "./request-faults.ts";
import { createRequestIds } from "./request-id.ts";
import { fieldsOf, type Health, questionBodySchema, type Version } from "./schema.ts";
import { createSend } from "./send.ts";
import { implicitDeadlineMs } from "./timeouts.ts";
import { traced, traceRequests, type Tracing } from "./tracing.ts";
import { answerUnrouted } from "./unrouted.ts";

export interface AppOptions extends AccessOptions, ConnectionOptions {
  readonly oracle: Oracle;
  /** Removes the metadata of a target from the cache. */
  readonly invalidate: (target: Target) => Promise<void>;
  /** @throws OracleError `url_invalid` or `url_unsupported` */
  readonly parseTarget: (text: string) => Target;
  /** Memory for the latest parsed URLs and bodies. */
  readonly memoizedBytes: number;
  /** Whether the cache would answer; starts no lookup. */
  readonly isCached: (target: Target, fields: Fields) => boolean;
  /** Null if there is no rate limit. */
  readonly rateLimit: Omit<RateLimitOptions, "isCached" | "addressOf"> | null;
  /** Whether `X-Forwarded-For` of this peer is read; null if that of no peer is. */
  readonly isTrustedProxy: ((address: string) => boolean) | null;
  /** Whether the service would answer a lookup now, and with the shared cache if there is one. */
  readonly readiness: () => Health;
  readonly metrics: Metrics;
  readonly logger: Logger;
  readonly connectionLimit: ConnectionLimit;
  readonly version: () => Version;
  /** Null if spans are not collected: requests then have no tracing hooks. */
  readonly tracing: Tracing | null;
  /** The folder of the web page, or null if there is none. */
  readonly page: string | null;
}

// Longer URLs are rare, and would evict many others.
const maxMemoizedCharacters = 2048;

// Details of Fastify's own errors.
const frameworkDetails: Readonly<Record<string, string>> = {
  FST_ERR_BAD_URL: "The path is not percent-encoded correctly.",
  FST_ERR_CTP_INVALID_CONTENT_LENGTH: "The body does not have the length in Content-Length.",
};

/** Maps an error of Fastify or of a handler to a failure code. */
function requestError(thrown: unknown, maxBytes: number): OracleError {
  if (thrown instanceof OracleError) return thrown;
  const { code = "", statusCode = 500 } = thrown as { code?: string; statusCode?: number };
  if (code === "FST_ERR_CTP_BODY_TOO_LARGE") {
    return new OracleError("request_too_large", code, { detail: `The body must have at most ${maxBytes} bytes.` });
  }
  if (code === "FST_ERR_CTP_INVALID_MEDIA_TYPE") return new OracleError("request_unsupported", code, { cause: thrown });
  const detail = frameworkDetails[code];
  if (statusCode < 500) return requestInvalid(code, detail === undefined ? [] : [{ pointer: "#", detail }]);
  return toOracleError(thrown);
}

/** Builds the HTTP side around an oracle. It does not listen yet. */
export async function createApp(options: AppOptions): Promise<FastifyInstance> {
  const { oracle, invalidate, parseTarget, isCached, readiness, metrics, version } = options;

  /** Counts, logs and answers a failed request. */
  function refuse(request: FastifyRequest, reply: FastifyReply, thrown: unknown): FastifyReply {
    const error = requestError(thrown, request.routeOptions.bodyLimit);
    metrics.notAnswered(error.code);
    // Lookups log the other failures; strangers' requests for unknown routes and without tokens are only counted.
    if (error.code === "internal") log.broken(request, thrown);
    else if (error.code.startsWith("request_")) log.refused(request, error);
    return sendProblem(reply, error);
  }

  const addressOf = createAddressOf(options.isTrustedProxy);
  const log = createLookupLog(options.logger, addressOf);
  const requestIdOf = createRequestIds();
  const deadlineMs = implicitDeadlineMs(options.inactivityTimeoutMs);

  const app = fastify({
    ...connectionOptions(options),
    // Instead, log.ts writes one line per lookup, without the path or query of the URL.
    logger: false,
    routerOptions: { ignoreTrailingSlash: true },
    genReqId: requestIdOf,
    // During shutdown `/readyz` responds with 503; open connections still get their responses, then they are closed.
    return503OnClosing: false,
    clientErrorHandler: (error, socket) => refuseConnection(error, socket, requestIdOf({ headers: {} })),
    frameworkErrors: (error, request, reply) => void refuse(request, reply, error),
  });
  limitConnections(app, options.connectionLimit, options.logger);
  // An unknown expectation may be ignored (RFC 9110 10.1.1); Node's own 417 would have no body.
  app.server.on("checkExpectation", (request, response) => app.server.emit("request", request, response));

  app.setValidatorCompiler<z.ZodObject>(({ schema, httpPart }) => {
    const form = { keys: Object.keys(schema.shape), isQuery: httpPart === "querystring" };
    return (input: unknown) => {
      const { success, data, error } = schema.safeParse(input);
      return success ? { value: data } : { error: explainIssues(error, input, form) };
    };
  });
  // Replies are rendered as text by reply.ts. Their schemas are only for the OpenAPI document and the tests against it.
  app.setSerializerCompiler(() => JSON.stringify);
  app.removeAllContentTypeParsers();
  app.addContentTypeParser("application/json", { parseAs: "string" }, (_request, body, done) => {
    try {
      done(null, parseJson(String(body)));
    } catch (error) {
      done(error as OracleError);
    }
  });

  app.setErrorHandler((thrown, request, reply) => refuse(request, reply, thrown));
  answerUnrouted(app);

  await registerOpenapi(app, version().version);
  app.decorateRequest("client", null);
  const access = createAccess(options);
  const { scope, identify, isForbidden, guards } = access;
  const send = createSend(scope, varyOf(options));
  if (options.tracing) traceRequests(app, options.tracing);
  const plainLookups = createLookups({
    oracle,
    isCached,
    parseTarget: memoizeParser(parseTarget, {
      maxBytes: options.memoizedBytes / 2,
      maxLength: maxMemoizedCharacters,
    }),
    implicitDeadlineMs: deadlineMs,
    rateLimit: options.rateLimit && createRateLimit({ ...options.rateLimit, isCached, addressOf }),
    metrics,
    log,
  });
  const lookups = options.tracing ? traced(plainLookups) : plainLookups;
  const hits = createHits({
    parseBody(text) {
      const question = questionBodySchema.parse(parseJson(text));
      return { target: parseTarget(question.url), fields: fieldsOf(question) };
    },
    memoizedBytes: options.memoizedBytes / 2,
    identify,
    isForbidden,
    findCached: lookups.findCached.bind(lookups),
    send,
    requestIdOf,
  });
  addMetadataRoutes(app, { lookups, invalidate, guards, send, replay: hits.replay });
  addBatchRoute(app, { lookups, implicitDeadlineMs: deadlineMs, guards, log, metrics });
  if (options.page !== null) addPageRoutes(app, options.page, access);
  addOperationRoutes(app, { guards, readiness, version, metrics });
  await app.ready();
  if (!options.tracing) hits.takeOver(app.server); // spans begin and end in Fastify's hooks
  allowOrigins(app.server, options); // before the listener of the hits
  return app;
}
