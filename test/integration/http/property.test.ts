import fc from "fast-check";
import { expect, test } from "vitest";
import { createNamedToken } from "../../../src/http/named-token.ts";
import { assertDocumented, document } from "../../support/contract.ts";
import { plainApp } from "./app.ts";

const key = "a-key-of-32-characters-and-more-!";
const token = createNamedToken("chat.example.org", null, key);

const apps = await Promise.all([
  plainApp({}),
  plainApp({ tokens: ["a"], namedTokens: { key, revokedNames: ["left"] } }),
  plainApp({ rateLimit: { perMinute: 1, together: null, now: () => performance.now() } }),
]);

const nested = fc.nat({ max: 9000 }).map((depth) => "[".repeat(depth) + "]".repeat(depth));

const batches = fc
  .record(
    { urls: fc.array(fc.oneof(fc.webUrl(), fc.string()), { maxLength: 5 }), deadlineMs: fc.constantFrom(50, 0) },
    { requiredKeys: ["urls"] },
  )
  .map((batch) => JSON.stringify(batch));

const bodies = fc.oneof(
  fc.record({ url: fc.webUrl(), deadlineMs: fc.integer({ min: 50, max: 30_000 }) }).map((body) => JSON.stringify(body)),
  { weight: 3, arbitrary: batches },
  fc.string({ unit: "binary" }),
  fc.json(),
  fc.uint8Array({ maxLength: 200 }).map((bytes) => Buffer.from(bytes)),
  fc.nat({ max: 40_000 }).map((length) => `{"url":"${"a".repeat(length)}"}`),
  nested,
  nested.map((value) => `{"url":${value}}`),
  fc.jsonValue().map((value) => `{"url":"http://a.example.org/","__proto__":${JSON.stringify(value)}}`),
  fc
    .record(
      {
        url: fc.oneof(fc.webUrl(), fc.string({ unit: "binary" }), fc.jsonValue()),
        deadlineMs: fc.oneof(fc.integer(), fc.double(), fc.jsonValue()),
        fields: fc.oneof(fc.array(fc.constantFrom("type", "bytes", "nothing")), fc.jsonValue()),
      },
      { requiredKeys: [] },
    )
    .map((question) => JSON.stringify(question)),
);
const methods = fc.constantFrom("GET", "POST", "HEAD", "PUT", "DELETE", "OPTIONS", "PATCH");
const routes = Object.keys(document.paths);
const readable = routes.filter((route) => document.paths[route]!.get);
const paths = fc.oneof(
  { weight: 3, arbitrary: fc.constant("/metadata") },
  { weight: 3, arbitrary: fc.constant("/metadata/batch") },
  { weight: 3, arbitrary: fc.constantFrom(...routes) },
  { weight: 1, arbitrary: fc.webPath() },
);
const queries = fc.oneof(
  fc.webQueryParameters(),
  fc.webUrl().map((url) => new URLSearchParams({ url }).toString()),
  fc
    .record(
      { url: fc.oneof(fc.webUrl(), fc.string({ unit: "binary" })), deadlineMs: fc.string(), fields: fc.string() },
      { requiredKeys: [] },
    )
    .map((query) => new URLSearchParams(query as Record<string, string>).toString()),
);
// Only valid header characters: Node refuses to send others.
const headerValue = fc.stringMatching(/^[\x20-\x7e]*$/);
const headers = fc.record(
  {
    "content-type": fc.oneof(fc.constant("application/json"), fc.constant("application/json"), headerValue),
    "x-request-id": headerValue,
    "if-none-match": headerValue,
    authorization: fc.oneof(
      headerValue,
      headerValue.map((text) => `Bearer ${text}`),
      fc.constantFrom("Bearer a", `Bearer ${token}`, `bearer  ${token} `, `Bearer ${token}A`),
    ),
    accept: fc.oneof(headerValue, fc.constantFrom("application/xml", "application/x-ndjson", "text/html,*/*;q=0.1")),
    "content-encoding": headerValue,
    "accept-version": headerValue,
  },
  { requiredKeys: ["content-type"] },
);

test("no random request gets a 5xx or an undocumented answer", async () => {
  const seen = new Set<string>();
  const request = fc.record({ method: methods, path: paths, query: queries, headers, body: bodies });
  await fc.assert(
    fc.asyncProperty(fc.constantFrom(...apps), request, async (app, { method, path, query, headers, body }) => {
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
      seen.add(`${method} ${path} ${statusCode}`);
      expect(answered["x-request-id"]).toMatch(/^[A-Za-z0-9._-]{1,64}$/);
      const contentType = (answered["content-type"] as string | undefined) ?? null;
      assertDocumented(method, path, { status: statusCode, contentType, body: text });
    }),
    { numRuns: 6000 },
  );
  // The generators must reach every route and every rejection, or the test would prove nothing.
  for (const route of readable) expect([...seen]).toContain(`GET ${route} 200`);
  for (const status of [200, 400, 401, 413, 415, 429]) expect([...seen]).toContain(`POST /metadata ${status}`);
  for (const status of [200, 400, 401, 415]) expect([...seen]).toContain(`POST /metadata/batch ${status}`);
});
