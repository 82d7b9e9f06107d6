import { type IncomingMessage, request as sendRequest } from "node:http";
import { text as readText } from "node:stream/consumers";
import { describe, expect, test, type TestContext } from "vitest";
import { assertDocumented } from "../../support/contract.ts";
import { type AppSettings, described, cachedDescription, type RunningApp, startApp, summit } from "./app.ts";

const kept = { since: Date.now() - 500_000, until: Date.now() + 500_000 };
const question = JSON.stringify({ url: "https://upload.example.org/a.jpg" });
const query = `/metadata?url=${encodeURIComponent("https://upload.example.org/a.jpg")}`;

/** Starts an app that records its lookups and deletions. */
async function startCounting(onTestFinished: TestContext["onTestFinished"], settings: AppSettings = {}) {
  const done: string[] = [];
  const app = await startApp(
    () => {
      done.push("looked up");
      return settings.isCached ? cachedDescription(summit, kept) : described();
    },
    { ...settings, invalidate: () => Promise.resolve(void done.push("forgotten")) },
  );
  onTestFinished(() => app.close());
  return { app, done };
}

interface Sent {
  readonly method: string;
  readonly path: string;
  readonly body?: string;
}

/** Sends a request as a browser could, with any headers, and returns its status and its problem's code. */
async function send(app: RunningApp, { method, path, body }: Sent, headers: Record<string, string>) {
  const response = await new Promise<IncomingMessage>((resolve, reject) => {
    const json = body === undefined ? {} : { "Content-Type": "application/json", "Content-Length": body.length };
    sendRequest(app.url + path, { method, headers: { ...json, ...headers } }, resolve)
      .on("error", reject)
      .end(body);
  });
  const answer = await readText(response);
  const { statusCode: status = 0, headers: answered } = response;
  const contentType = answered["content-type"] ?? null;
  if (path !== "/") assertDocumented(method, path, { status, contentType, body: answer });
  expect(answered["cross-origin-resource-policy"]).toBe("same-origin");
  const code = contentType === "application/problem+json" ? (JSON.parse(answer) as { code: string }).code : null;
  return { status, code };
}

const describing: readonly Sent[] = [
  { method: "POST", path: "/metadata", body: question },
  { method: "GET", path: query },
  { method: "POST", path: "/metadata/batch", body: JSON.stringify({ urls: ["https://upload.example.org/a.jpg"] }) },
];

const guarded: readonly Sent[] = [
  ...describing,
  { method: "DELETE", path: query },
  { method: "GET", path: "/metrics" },
  { method: "GET", path: "/version" },
];

const named = guarded.map((sent) => [`${sent.method} ${sent.path.split("?")[0]}`, sent] as const);

const open: readonly Sent[] = ["/healthz", "/readyz", "/openapi.json"].map((path) => ({ method: "GET", path }));

const foreign = [
  { "Sec-Fetch-Site": "cross-site" },
  { "Sec-Fetch-Site": "same-site" },
  { Origin: "https://evil.example" },
  { Origin: "null" },
];

describe("without tokens", () => {
  test.for(named)("%s from a page of another origin is 403, and has no effect", async ([, sent], context) => {
    const { app, done } = await startCounting(context.onTestFinished);
    for (const headers of foreign) {
      expect(await send(app, sent, headers)).toEqual({ status: 403, code: "request_forbidden" });
    }
    expect(done).toEqual([]);
    expect((await send(app, sent, {})).status).toBeLessThan(300);
    expect((await send(app, sent, { "Sec-Fetch-Site": "same-origin", Origin: app.url })).status).toBeLessThan(300);
  });

  test.for(named)("%s with a Host that is not set is 403, and has no effect", async ([, sent], context) => {
    const { app, done } = await startCounting(context.onTestFinished, { hostnames: ["media.example.org"] });
    const rebound = { Host: `rebind.example:${app.port}`, Origin: `http://rebind.example:${app.port}` };
    expect(await send(app, sent, rebound)).toEqual({ status: 403, code: "request_forbidden" });
    expect(done).toEqual([]);
    for (const Host of ["localhost:80", `127.0.0.1:${app.port}`, "media.example.org"]) {
      expect((await send(app, sent, { Host })).status).toBeLessThan(300);
    }
  });

  test("the browser guard rejects cache hits too: the fast path does not bypass it", async (context) => {
    const { app, done } = await startCounting(context.onTestFinished, { hostnames: [], isCached: () => true });
    for (const headers of [...foreign, { Host: "rebind.example" }]) {
      expect(await send(app, describing[0]!, headers)).toEqual({ status: 403, code: "request_forbidden" });
    }
    expect(done).toEqual([]);
    expect((await send(app, describing[0]!, {})).status).toBe(200);
    expect(done).toEqual(["looked up"]);
  });

  test("the browser guard accepts all requests for health, readiness and the OpenAPI document", async (context) => {
    const { app } = await startCounting(context.onTestFinished, { hostnames: [] });
    for (const sent of open) {
      for (const headers of [...foreign, { Host: "rebind.example" }]) {
        expect((await send(app, sent, headers)).status).toBe(200);
      }
    }
  });

  test("a link on another website to the page works, unless Host is foreign", async (context) => {
    const page = new URL("../../../page", import.meta.url).pathname;
    const { app } = await startCounting(context.onTestFinished, { hostnames: [], page });
    expect((await send(app, { method: "GET", path: "/" }, { "Sec-Fetch-Site": "cross-site" })).status).toBe(200);
    const { status, code } = await send(app, { method: "GET", path: "/" }, { Host: "rebind.example" });
    expect([status, code]).toEqual([403, "request_forbidden"]);
  });
});

test("with tokens set, only the token decides: no page knows it", async ({ onTestFinished }) => {
  const { app } = await startCounting(onTestFinished, { tokens: ["a-token"], hostnames: [] });
  for (const headers of [...foreign, { Host: "rebind.example" }]) {
    for (const sent of guarded) {
      expect((await send(app, sent, headers)).status).toBe(401);
      expect((await send(app, sent, { ...headers, Authorization: "Bearer a-token" })).status).toBeLessThan(300);
    }
  }
});

test("the answer to an unreadable request has the same Cross-Origin-Resource-Policy", async ({ onTestFinished }) => {
  const { app } = await startCounting(onTestFinished);
  const response = await new Promise<IncomingMessage>((resolve, reject) => {
    sendRequest(app.url, { headers: { "X-Long": "a".repeat(33_000) } }, resolve)
      .on("error", reject)
      .end();
  });
  response.resume();
  expect([response.statusCode, response.headers["cross-origin-resource-policy"]]).toEqual([431, "same-origin"]);
});
