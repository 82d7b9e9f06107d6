import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import type { ZodTypeProvider } from "fastify-type-provider-zod";
import { z } from "zod";
import { answerBy, type Answer, type Description, type Oracle } from "../domain/description.ts";
import { type FailureCode, toOracleError } from "../domain/errors.ts";
import type { Target } from "../domain/target.ts";
import type { Guard } from "./app.ts";
import { age, cacheControl, cacheStatus, serverTiming } from "./freshness.ts";
import type { LookupLog } from "./log.ts";
import type { Metrics } from "./metrics.ts";
import { jsonResponse, problemResponses } from "./openapi.ts";
import { etagOf, isUnmodified, renderedReply } from "./reply.ts";
import { type Question, questionBodySchema, questionQuerySchema, replySchema } from "./schema.ts";

export interface MetadataRoutesOptions {
  readonly oracle: Oracle;
  readonly parseTarget: (text: string) => Target;
  readonly guard: Guard;
  /** Who may keep the answers: `private` where a token is needed to read them. */
  readonly scope: "public" | "private";
  readonly metrics: Metrics;
  readonly log: LookupLog;
}

const lookupFailures: readonly FailureCode[] = [
  "unauthorized",
  "url_invalid",
  "url_unsupported",
  "source_unreachable",
  "source_status",
  "source_redirects",
  "source_protocol",
  "overloaded",
  "deadline_exceeded",
];

/** Waits as long as the caller wants to. A description that ended needs no clock. */
async function answerFor(description: Description, deadlineMs: number | undefined): Promise<Answer> {
  if (description.kept === null) return await answerBy(description, deadlineMs ?? null);
  return { metadata: await description.done, partial: false };
}

/** Adds `POST /metadata` and its twin for curl, browsers and HTTP caches. */
export function addMetadataRoutes(instance: FastifyInstance, options: MetadataRoutesOptions): void {
  const { oracle, parseTarget, guard, scope, metrics, log } = options;
  const app = instance.withTypeProvider<ZodTypeProvider>();

  function targetOf(question: Question, requestId: string): Target {
    try {
      return parseTarget(question.url);
    } catch (thrown) {
      const error = toOracleError(thrown);
      if (error.code === "url_invalid" || error.code === "url_unsupported") {
        metrics.refused(error.code);
        log.refused(requestId, error);
      }
      throw thrown;
    }
  }

  function send(
    request: FastifyRequest,
    reply: FastifyReply,
    target: Target,
    description: Description,
    { metadata, partial }: Answer,
  ): FastifyReply {
    const { cached, kept } = description;
    const rendered = renderedReply(target, metadata, partial);
    const now = Date.now();
    reply
      .header("content-type", "application/json; charset=utf-8")
      .header("cache-control", kept === null || partial ? "no-store" : cacheControl(scope, kept))
      .header("cache-status", cacheStatus(cached, kept, now))
      .header("server-timing", serverTiming(description));
    if (kept !== null && (cached === "hit" || cached === "stale")) reply.header("age", age(kept, now));
    if (request.method === "POST" || partial) return reply.send(rendered.body);
    const etag = etagOf(rendered);
    reply.header("etag", etag);
    if (!isUnmodified(request.headers["if-none-match"], etag)) return reply.send(rendered.body);
    return reply.removeHeader("content-type").code(304).send();
  }

  async function describe(question: Question, request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
    const startedAt = performance.now();
    const target = targetOf(question, request.id);
    const description = oracle(target);
    try {
      const answer = await answerFor(description, question.deadlineMs);
      log.answered(request.id, target, description, answer, startedAt);
      return await send(request, reply, target, description, answer);
    } catch (thrown) {
      log.failed(request.id, target, description, toOracleError(thrown), startedAt);
      reply.header("cache-status", cacheStatus(description.cached, description.kept, Date.now()));
      throw thrown;
    }
  }

  const shared = { tags: ["metadata"], security: [{}, { token: [] }] };
  const known = jsonResponse("What is known of the URL", replySchema);
  app.route({
    method: "POST",
    url: "/metadata",
    onRequest: guard,
    schema: {
      ...shared,
      operationId: "describe",
      summary: "Describe a URL",
      body: questionBodySchema,
      response: { 200: known, ...problemResponses(...lookupFailures, "request_too_large", "request_unsupported") },
    },
    handler: (request, reply) => describe(request.body, request, reply),
  });
  app.route({
    method: "GET",
    url: "/metadata",
    onRequest: guard,
    schema: {
      ...shared,
      operationId: "describeByQuery",
      summary: "Describe a URL, for curl, browsers and HTTP caches",
      querystring: questionQuerySchema,
      response: {
        200: known,
        304: z.null().describe("What the caller has is still so (If-None-Match)"),
        ...problemResponses(...lookupFailures),
      },
    },
    handler: (request, reply) => describe(request.query, request, reply),
  });
}
