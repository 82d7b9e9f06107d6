import type { FastifyInstance, FastifyReply, FastifyRequest, preParsingHookHandler } from "fastify";
import type { ZodTypeProvider } from "fastify-type-provider-zod";
import { z } from "zod";
import type { FailureCode } from "../domain/errors.ts";
import type { Target } from "../domain/target.ts";
import { answerHeaders, takenOver, writeAnswer } from "./answer.ts";
import type { Guards } from "./auth.ts";
import { freshnessHeaders } from "./freshness.ts";
import type { Lookups, Outcome } from "./lookups.ts";
import { problemResponses } from "./openapi.ts";
import {
  elementSchema,
  invalidationQuerySchema,
  type Question,
  questionBodySchema,
  questionQuerySchema,
  replySchema,
} from "./schema.ts";
import type { SendDescribed } from "./send.ts";

export interface MetadataRoutesOptions {
  readonly lookups: Lookups;
  readonly invalidate: (target: Target) => Promise<void>;
  readonly guards: Guards;
  readonly send: SendDescribed;
  /** For requests whose body was read before. */
  readonly replay: preParsingHookHandler;
}

const lookupFailures: readonly FailureCode[] = [
  "unauthorized",
  "request_forbidden",
  "rate_limited",
  "host_busy",
  "url_invalid",
  "url_unsupported",
  "source_unreachable",
  "source_status",
  "source_redirects",
  "source_protocol",
  "overloaded",
  "deadline_exceeded",
];

const invalidationFailures: readonly FailureCode[] = [
  "unauthorized",
  "request_forbidden",
  "url_invalid",
  "url_unsupported",
  "request_too_large", // a body, which is not read
  "request_unsupported",
];

/** Adds `POST /metadata`, `GET` for curl, browsers and HTTP caches, and `DELETE` to invalidate cached metadata. */
export function addMetadataRoutes(instance: FastifyInstance, options: MetadataRoutesOptions): void {
  const { lookups, invalidate, guards, send, replay } = options;
  const app = instance.withTypeProvider<ZodTypeProvider>();

  /** @throws OracleError the failure, for the error handler */
  function conclude(request: FastifyRequest, reply: FastifyReply, outcome: Outcome): void {
    if (!outcome.error) return send(request.raw, request.id, takenOver(reply), outcome);
    reply.headers(outcome.headers);
    throw outcome.error;
  }

  function describe(question: Question, request: FastifyRequest, reply: FastifyReply): Promise<void> | undefined {
    const outcome = lookups.lookUp(request, question, performance.now());
    if (outcome instanceof Promise) return outcome.then((outcome) => conclude(request, reply, outcome));
    conclude(request, reply, outcome);
    return undefined;
  }

  const shared = { tags: ["metadata"], security: [{}, { token: [] }] };
  const known = {
    description: "Metadata of the URL; with `Accept: application/xml` as the XML element for a stanza",
    content: { "application/json": { schema: replySchema }, "application/xml": { schema: elementSchema } },
    headers: freshnessHeaders,
  };
  const etag = "Strong validator: equal tags mean equal bytes, on every replica";
  const knownTagged = { ...known, headers: { ...freshnessHeaders, ETag: etag } };
  app.route({
    method: "POST",
    url: "/metadata",
    onRequest: guards,
    preParsing: replay,
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
        304: z.null().describe("The response with the tag in `If-None-Match` is still current"),
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
      summary: "Delete the cached metadata of a URL: the next request starts a new lookup",
      querystring: invalidationQuerySchema,
      response: {
        204: z.null().describe("The cache has no metadata of the URL"),
        ...problemResponses(...invalidationFailures),
      },
    },
    async handler(request, reply) {
      await invalidate(lookups.targetOf(request, request.query.url));
      writeAnswer(takenOver(reply), 204, answerHeaders(request.id), null);
    },
  });
}
