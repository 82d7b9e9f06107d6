import fc from "fast-check";
import { pino } from "pino";
import { expect, test } from "vitest";
import { createApp } from "../../../src/http/app.ts";
import { createMetrics } from "../../../src/http/metrics.ts";
import { assertDocumented } from "../../support/contract.ts";
import { described, parseAnything } from "./app.ts";

const app = await createApp({
  oracle: () => described(),
  parseTarget: parseAnything,
  tokens: [],
  namedTokens: null,
  rateLimit: null,
  isReady: () => true,
  metrics: createMetrics({ inflight: () => 0, queueDepth: () => 0, decoderRestarts: () => 0 }),
  logger: pino({ level: "silent" }),
  version: "0.0.0",
});

const bodies = fc.oneof(
  fc.string({ unit: "binary" }),
  fc.json(),
  fc.uint8Array({ maxLength: 200 }).map((bytes) => Buffer.from(bytes)),
  fc
    .record(
      {
        url: fc.oneof(fc.webUrl(), fc.string({ unit: "binary" }), fc.jsonValue()),
        deadlineMs: fc.oneof(fc.integer(), fc.double(), fc.jsonValue()),
        fields: fc.oneof(fc.array(fc.constantFrom("type", "bytes", "nothing")), fc.jsonValue()),
        __proto__: fc.jsonValue(),
      },
      { requiredKeys: [] },
    )
    .map((question) => JSON.stringify(question)),
);
const methods = fc.constantFrom("GET", "POST", "HEAD", "PUT", "DELETE", "OPTIONS", "PATCH");
const paths = fc.oneof(
  fc.constantFrom("/metadata", "/metadata", "/metadata", "/healthz", "/readyz", "/metrics", "/openapi.json"),
  fc.webPath(),
);
const queries = fc.oneof(
  fc.webQueryParameters(),
  fc
    .record({ url: fc.string({ unit: "binary" }), deadlineMs: fc.string(), fields: fc.string() }, { requiredKeys: [] })
    .map((query) => new URLSearchParams(query as Record<string, string>).toString()),
);
// Only what a client could send: Node refuses to write any other character into a header.
const headerValue = fc.stringMatching(/^[\x20-\x7e]*$/);
const headers = fc.record(
  {
    "content-type": fc.oneof(fc.constant("application/json"), fc.constant("application/json"), headerValue),
    "x-request-id": headerValue,
    "if-none-match": headerValue,
    authorization: headerValue,
    accept: headerValue,
    "content-encoding": headerValue,
    "accept-version": headerValue,
  },
  { requiredKeys: ["content-type"] },
);

test("no request, however odd, gets a 5xx or an answer that is not documented", async () => {
  const request = fc.record({ method: methods, path: paths, query: queries, headers, body: bodies });
  await fc.assert(
    fc.asyncProperty(request, async ({ method, path, query, headers, body }) => {
      const isBodyless = method === "GET" || method === "HEAD";
      const {
        statusCode,
        headers: answered,
        body: text,
      } = await app.inject({
        method: method as "GET",
        url: `${path}?${query}`,
        headers,
        ...(!isBodyless && { payload: body }),
      });
      expect(statusCode).toBeLessThan(500);
      expect(answered["x-request-id"]).toMatch(/^[A-Za-z0-9._-]{1,64}$/);
      const contentType = (answered["content-type"] as string | undefined) ?? null;
      assertDocumented(method, path, { status: statusCode, contentType, body: text });
    }),
    { numRuns: 2000 },
  );
});
