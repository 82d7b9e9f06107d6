import swagger from "@fastify/swagger";
import type { FastifyInstance } from "fastify";
import { createJsonSchemaTransform, createJsonSchemaTransformObject } from "fastify-type-provider-zod";
import type { OpenAPIV3_1 } from "openapi-types";
import type { z } from "zod";
import { type FailureCode, failures } from "../domain/errors.ts";
import { problemSchema } from "./schema.ts";

const description = [
  "Describes media URLs: size, media type, dimensions, blurhash and more.",
  "A failed request or lookup returns a problem document (RFC 9457) with a stable `code`; a lookup with incomplete " +
    "metadata returns 200 with `partial` or `warnings`. Every response has `X-Request-Id`. A 404 always means that the " +
    "route does not exist: an origin's 404 is a 502 with `upstreamStatus`.",
].join("\n\n");

interface Documented {
  readonly description: string;
  readonly content: Record<string, { readonly schema: z.ZodType }>;
  readonly headers?: DocumentedHeaders;
}

/** Descriptions of response headers, by name. */
export type DocumentedHeaders = Readonly<Record<string, string>>;

// Failures of any route; 431 is sent before routing, with the code of a body that is too large.
const unreadable: readonly (readonly [status: number, title: string])[] = [[431, "The headers are too large"]];
const always: readonly FailureCode[] = ["request_invalid", "request_timeout", "internal"];

/** Returns a route's `response` for these failures, and for those of any route. */
export function problemResponses(...codes: readonly FailureCode[]): Record<number, Documented> {
  const titles = new Map(unreadable);
  for (const code of [...always, ...codes]) {
    const { status, title } = failures[code];
    const earlier = titles.get(status);
    titles.set(status, `${earlier === undefined ? "" : `${earlier}. `}\`${code}\`: ${title}`);
  }
  const content = { "application/problem+json": { schema: problemSchema } };
  return Object.fromEntries([...titles].map(([status, description]) => [status, { description, content }]));
}

export function jsonResponse(description: string, schema: z.ZodType, headers: DocumentedHeaders = {}): Documented {
  return { description, content: { "application/json": { schema } }, headers };
}

const withSchemas = createJsonSchemaTransformObject({});
const schemaTransform = createJsonSchemaTransform({});

/** Adds the response headers, which the generator's own transform omits. */
const transform: typeof schemaTransform = (input) => {
  const transformed = schemaTransform(input);
  const responses = input.schema.response as Record<string, Partial<Documented>> | undefined;
  const made = transformed.schema.response as Record<string, object> | undefined;
  for (const [status, { headers = {} }] of Object.entries(responses ?? {})) {
    const schemas: Record<string, object> = {};
    for (const [name, description] of Object.entries(headers)) schemas[name] = { type: "string", description };
    if (Object.keys(schemas).length > 0) Object.assign(made?.[status] ?? {}, { headers: schemas });
  }
  return transformed;
};

/** Removes from a HEAD operation, a copy of that of GET, everything that it does not return. */
function describeHead(operation: OpenAPIV3_1.OperationObject): void {
  operation.summary = "The headers of GET without the body";
  delete operation.description;
  for (const response of Object.values(operation.responses ?? {})) delete (response as { content?: unknown }).content;
}

/** Makes `app.swagger()` return the OpenAPI 3.1 document of all routes that are added later. */
export async function registerOpenapi(app: FastifyInstance, version: string): Promise<void> {
  await app.register(swagger, {
    exposeHeadRoutes: true,
    openapi: {
      openapi: "3.1.0",
      info: { title: "media-oracle", version, description, license: { name: "MIT", identifier: "MIT" } },
      servers: [{ url: "/", description: "The server that this document was read from" }],
      tags: [
        { name: "metadata", description: "Describing URLs" },
        { name: "operation", description: "For operators and monitoring" },
      ],
      components: {
        securitySchemes: {
          token: {
            type: "http",
            scheme: "bearer",
            description: "One of the operator's tokens; needed only if the operator has set any",
          },
        },
      },
    },
    transform,
    transformObject(document) {
      const whole = withSchemas(document) as Partial<OpenAPIV3_1.Document>;
      for (const { head } of Object.values(whole.paths ?? {}).flatMap((path) => path ?? [])) {
        if (head) describeHead(head);
      }
      const schemas = Object.entries(whole.components?.schemas ?? {});
      // The generator adds a copy of every schema for requests, which nothing refers to.
      const used = schemas.filter(([name]) => !name.endsWith("Input"));
      return { ...whole, components: { ...whole.components, schemas: Object.fromEntries(used) } };
    },
  });
}
