import { expect, test } from "vitest";
import type { Oracle } from "../../../src/domain/description.ts";
import { OracleError } from "../../../src/domain/errors.ts";
import type { TracedRequest, Tracing } from "../../../src/http/tracing.ts";
import { described, failed, plainApp } from "./app.ts";

const url = "https://upload.example.org/a/summit.jpg";
const gone = "https://upload.example.org/gone.jpg";
const traceparent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

interface Recorded extends TracedRequest {
  readonly traceparent: string;
  readonly outcomes: string[];
  readonly ends: (readonly [status: number, client: string])[];
}

/** Records the spans of requests in memory. */
function recordSpans(): { readonly tracing: Tracing; readonly spans: Recorded[] } {
  const spans: Recorded[] = [];
  const tracing: Tracing = {
    begin(request, traceparent) {
      const span: Recorded = { ...request, traceparent, outcomes: [], ends: [] };
      spans.push(span);
      return {
        answered: ({ error }) => void span.outcomes.push(error ? error.code : "described"),
        end: (...end) => void span.ends.push(end),
      };
    },
  };
  return { tracing, spans };
}

const oracle: Oracle = ({ href }) => (href === gone ? failed(new OracleError("source_status", "404")) : described());

test("each metadata request has one span with its route, its outcomes, and the status and client at its end", async ({
  onTestFinished,
}) => {
  const { tracing, spans } = recordSpans();
  const app = await plainApp({ tracing, oracle });
  onTestFinished(() => app.close());
  await app.inject({
    url: `/metadata?url=${encodeURIComponent(url)}`,
    headers: { traceparent, "x-request-id": "a-request" },
  });
  await app.inject({ method: "POST", url: "/metadata", payload: { url: gone } });
  await app.inject({ method: "POST", url: "/metadata/batch", payload: { urls: [url, gone, "no URL"] } });
  expect(spans).toEqual([
    {
      id: "a-request",
      method: "GET",
      route: "/metadata",
      traceparent,
      outcomes: ["described"],
      ends: [[200, "anonymous"]],
    },
    {
      id: expect.any(String),
      method: "POST",
      route: "/metadata",
      traceparent: "",
      outcomes: ["source_status"],
      ends: [[502, "anonymous"]],
    },
    {
      id: expect.any(String),
      method: "POST",
      route: "/metadata/batch",
      traceparent: "",
      outcomes: expect.arrayContaining(["described", "source_status", "url_invalid"]),
      ends: [[200, "anonymous"]],
    },
  ]);
});

test("a cached answer has a span too, and the span of a request without a token ends with 401", async ({
  onTestFinished,
}) => {
  const { tracing, spans } = recordSpans();
  const app = await plainApp({ tracing, oracle, isCached: () => true, tokens: ["a-token"] });
  onTestFinished(() => app.close());
  const question = { method: "POST", url: "/metadata", payload: { url } } as const;
  await app.inject({ ...question, headers: { authorization: "Bearer a-token" } });
  await app.inject(question);
  expect(spans.map(({ outcomes, ends }) => [outcomes, ends])).toEqual([
    [["described"], [[200, "token"]]],
    [[], [[401, "anonymous"]]],
  ]);
});

test("probes, scrapes and unknown routes have no spans", async ({ onTestFinished }) => {
  const { tracing, spans } = recordSpans();
  const app = await plainApp({ tracing });
  onTestFinished(() => app.close());
  for (const path of ["/healthz", "/readyz", "/metrics", "/version", "/openapi.json", "/nothing"])
    await app.inject(path);
  expect(spans).toEqual([]);
});
