import type { FastifyInstance, FastifyReply } from "fastify";
import type { ZodTypeProvider } from "fastify-type-provider-zod";
import { z } from "zod";
import { beginAnswer, jsonType } from "./answer.ts";
import type { Guards } from "./auth.ts";
import type { Metrics } from "./metrics.ts";
import { jsonResponse, problemResponses } from "./openapi.ts";
import { type Health, healthSchema, type Version, versionSchema } from "./schema.ts";

export interface OperationRoutesOptions {
  readonly guards: Guards;
  readonly readiness: () => Health;
  readonly version: () => Version;
  readonly metrics: Metrics;
}

function sendHealth(reply: FastifyReply, status: Health): FastifyReply {
  return beginAnswer(reply, status === "unready" ? 503 : 200, jsonType)
    .header("cache-control", "no-store")
    .send(JSON.stringify({ status } satisfies z.infer<typeof healthSchema>));
}

/** Adds the routes for operation: health, readiness, metrics, the version and the OpenAPI document. */
export function addOperationRoutes(
  instance: FastifyInstance,
  { guards, readiness, version, metrics }: OperationRoutesOptions,
): void {
  const app = instance.withTypeProvider<ZodTypeProvider>();
  const open = { tags: ["operation"], security: [] };
  app.route({
    method: "GET",
    url: "/healthz",
    schema: {
      ...open,
      operationId: "readHealth",
      summary: "Liveness of the service",
      response: { 200: jsonResponse("The service is alive", healthSchema), ...problemResponses() },
    },
    handler: (_request, reply) => sendHealth(reply, "ok"),
  });
  app.route({
    method: "GET",
    url: "/readyz",
    schema: {
      ...open,
      operationId: "readReadiness",
      summary: "Readiness of the service",
      response: {
        200: jsonResponse(
          "The service is ready for lookups; `degraded`: without the cache that replicas share",
          healthSchema,
        ),
        ...problemResponses(),
        503: jsonResponse("The service is starting or stopping", healthSchema),
      },
    },
    handler: (_request, reply) => sendHealth(reply, readiness()),
  });
  app.route({
    method: "GET",
    url: "/metrics",
    onRequest: guards,
    schema: {
      ...open,
      security: [{}, { token: [] }],
      operationId: "readMetrics",
      summary: "Counters and gauges for Prometheus",
      response: {
        200: { description: "Text exposition format 0.0.4", content: { "text/plain": { schema: z.string() } } },
        ...problemResponses("unauthorized", "request_forbidden"),
      },
    },
    handler: async (_request, reply) =>
      beginAnswer(reply, 200, metrics.contentType)
        .header("cache-control", "no-store")
        .send(await metrics.text()),
  });
  app.route({
    method: "GET",
    url: "/version",
    onRequest: guards,
    schema: {
      ...open,
      security: [{}, { token: [] }],
      operationId: "readVersion",
      summary: "Versions, commit and enabled formats",
      response: {
        200: jsonResponse("Versions and formats of the running service", versionSchema),
        ...problemResponses("unauthorized", "request_forbidden"),
      },
    },
    handler: (_request, reply) =>
      beginAnswer(reply, 200, jsonType).header("cache-control", "no-store").send(JSON.stringify(version())),
  });
  let document = "";
  app.addHook("onReady", (done) => {
    document = JSON.stringify(app.swagger());
    done();
  });
  app.route({
    method: "GET",
    url: "/openapi.json",
    schema: {
      ...open,
      operationId: "readOpenapi",
      summary: "This document",
      response: { 200: jsonResponse("OpenAPI 3.1", z.looseObject({})), ...problemResponses() },
    },
    handler: (_request, reply) => beginAnswer(reply, 200, jsonType).send(document),
  });
}
