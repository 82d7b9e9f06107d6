import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import type { ZodTypeProvider } from "fastify-type-provider-zod";
import { z } from "zod";
import { answerBy, type Answer, type Description, type Oracle } from "../domain/description.ts";
import { type FailureCode, OracleError, toOracleError } from "../domain/errors.ts";
import type { Target } from "../domain/target.ts";
import { answerHeaders, jsonType, writeAnswer } from "./answer.ts";
import { type Guards, nameOf } from "./auth.ts";
import { age, cacheControl, cacheStatus, failureCacheStatus, freshnessHeaders, serverTiming } from "./freshness.ts";
import type { LookupLog } from "./log.ts";
import type { Metrics } from "./metrics.ts";
import { jsonResponse, problemResponses } from "./openapi.ts";
import type { Fields } from "../domain/fields.ts";
import type { RateLimit, Refusal } from "./rate-limit.ts";
import { etagOf, isUnmodified, renderedReply } from "./reply.ts";
import {
  fieldsOf,
  forgetQuerySchema,
  type Question,
  questionBodySchema,
  questionQuerySchema,
  replySchema,
} from "./schema.ts";

export interface MetadataRoutesOptions {
  readonly oracle: Oracle;
  readonly forget: (target: Target) => Promise<void>;
  readonly parseTarget: (text: string) => Target;
  readonly guards: Guards;
  /** Who may keep the answers: `private` where a token is needed to read them. */
  readonly scope: "public" | "private";
  /** Null where there is none. */
  readonly rateLimit: RateLimit | null;
  readonly metrics: Metrics;
  readonly log: LookupLog;
}

/** How long a caller waits, and for what. */
interface Needs {
  readonly deadlineMs: number | undefined;
  readonly fields: Fields;
}

const lookupFailures: readonly FailureCode[] = [
  "unauthorized",
  "rate_limited",
  "url_invalid",
  "url_unsupported",
  "source_unreachable",
  "source_status",
  "source_redirects",
  "source_protocol",
  "overloaded",
  "deadline_exceeded",
];

const forgetFailures: readonly FailureCode[] = [
  "unauthorized",
  "url_invalid",
  "url_unsupported",
  "request_too_large", // of a body, which nobody reads
  "request_unsupported",
];

/** Adds `POST /metadata`, its twin for curl, browsers and HTTP caches, and what lets go of an answer. */
export function addMetadataRoutes(instance: FastifyInstance, options: MetadataRoutesOptions): void {
  const { oracle, forget, parseTarget, guards, scope, rateLimit, metrics, log } = options;
  const app = instance.withTypeProvider<ZodTypeProvider>();

  function targetOf(question: Pick<Question, "url">, request: FastifyRequest): Target {
    try {
      return parseTarget(question.url);
    } catch (thrown) {
      const error = toOracleError(thrown);
      if (error.code === "url_invalid" || error.code === "url_unsupported") {
        metrics.refused(error.code);
        log.refused(request, error);
      }
      throw thrown;
    }
  }

  /** @throws OracleError `rate_limited` where there is a refusal, before anything is looked up */
  function admit(request: FastifyRequest, reply: FastifyReply, refusal: Refusal | null): void {
    if (!refusal) return;
    reply.header("retry-after", refusal.retryAfter);
    reply.header("ratelimit", refusal.rateLimit).header("ratelimit-policy", refusal.policy);
    const error = new OracleError("rate_limited", "one question too many");
    metrics.refused("rate_limited");
    log.refused(request, error);
    throw error;
  }

  function send(
    request: FastifyRequest,
    reply: FastifyReply,
    target: Target,
    description: Description,
    { metadata, partial }: Answer,
  ): void {
    const { cached, kept } = description;
    metrics.answered(cached);
    const now = Date.now();
    const headers = answerHeaders(reply);
    headers.push("Cache-Control", kept === null || partial ? "no-store" : cacheControl(scope, kept));
    headers.push("Cache-Status", cacheStatus(cached, kept, now), "Server-Timing", serverTiming(description));
    if (kept !== null && (cached === "hit" || cached === "stale")) headers.push("Age", age(kept, now));
    const rendered = renderedReply(target, metadata, partial);
    if (request.method !== "POST" && !partial) {
      const etag = etagOf(rendered);
      headers.push("ETag", etag);
      if (isUnmodified(request.headers["if-none-match"], etag)) return writeAnswer(reply, 304, headers, null);
    }
    headers.push("Content-Type", jsonType, "Content-Length", rendered.contentLength);
    writeAnswer(reply, 200, headers, rendered.body);
  }

  async function waitAndSend(
    request: FastifyRequest<object>,
    reply: FastifyReply,
    target: Target,
    description: Description,
    { deadlineMs, fields }: Needs,
    startedAt: number,
  ): Promise<void> {
    let answer: Answer;
    try {
      // From the question on: the rate limit may have had to ask others.
      const leftMs = deadlineMs === undefined ? null : Math.max(0, deadlineMs - (performance.now() - startedAt));
      answer = await answerBy(description, description.kept === null ? leftMs : null, fields);
    } catch (thrown) {
      const error = toOracleError(thrown);
      const { cached, kept } = description;
      metrics.answered(cached);
      log.failed(request, target, description, error, startedAt);
      reply.header("cache-status", failureCacheStatus(error.code, cached, kept, Date.now()));
      throw thrown;
    }
    log.answered(request, target, description, answer, startedAt);
    send(request, reply, target, description, answer);
  }

  function describe(question: Question, request: FastifyRequest, reply: FastifyReply): Promise<void> | undefined {
    const startedAt = performance.now();
    metrics.requested(nameOf(request.client));
    const target = targetOf(question, request);
    const needs = { deadlineMs: question.deadlineMs, fields: fieldsOf(question) };
    const refusal = rateLimit?.(request, target, needs.fields) ?? null;
    if (refusal instanceof Promise) {
      return refusal.then((refusal) => lookUp(needs, request, reply, target, refusal, startedAt));
    }
    return lookUp(needs, request, reply, target, refusal, startedAt);
  }

  function lookUp(
    needs: Needs,
    request: FastifyRequest,
    reply: FastifyReply,
    target: Target,
    refusal: Refusal | null,
    startedAt: number,
  ): Promise<void> | undefined {
    admit(request, reply, refusal);
    const description = oracle(target, needs.fields);
    // A success that is remembered needs no waiting, not even for a promise that is settled.
    if (description.kept !== null && description.known !== null) {
      const answer = { metadata: description.known, partial: false };
      log.answered(request, target, description, answer, startedAt);
      send(request, reply, target, description, answer);
      return undefined;
    }
    return waitAndSend(request, reply, target, description, needs, startedAt);
  }

  const shared = { tags: ["metadata"], security: [{}, { token: [] }] };
  const known = jsonResponse("What is known of the URL", replySchema, freshnessHeaders);
  const etag = "The same tag means the same bytes, on every replica";
  const knownTagged = jsonResponse("What is known of the URL", replySchema, { ...freshnessHeaders, ETag: etag });
  app.route({
    method: "POST",
    url: "/metadata",
    onRequest: guards,
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
    onRequest: guards,
    schema: {
      ...shared,
      operationId: "describeByQuery",
      summary: "Describe a URL, for curl, browsers and HTTP caches",
      querystring: questionQuerySchema,
      response: {
        200: knownTagged,
        304: z.null().describe("What the caller has is still so (If-None-Match)"),
        ...problemResponses(...lookupFailures),
      },
    },
    handler: (request, reply) => describe(request.query, request, reply),
  });
  app.route({
    method: "DELETE",
    url: "/metadata",
    onRequest: guards,
    schema: {
      ...shared,
      operationId: "forget",
      summary: "Forget what is remembered of a URL: the next question asks its origin",
      querystring: forgetQuerySchema,
      response: {
        204: z.null().describe("Nothing is remembered of it now"),
        ...problemResponses(...forgetFailures),
      },
    },
    async handler(request, reply) {
      await forget(targetOf(request.query, request));
      writeAnswer(reply, 204, answerHeaders(reply), null);
    },
  });
}
