import { type IncomingMessage, request as sendRequest } from "node:http";
import { text as readText } from "node:stream/consumers";
import { expect, test, type TestContext } from "vitest";
import { type AppSettings, cachedDescription, described, type RunningApp, startApp, summit } from "./app.ts";

const page = "https://chat.example.org";
const url = "https://upload.example.org/a.jpg";
const query = `/metadata?url=${encodeURIComponent(url)}`;

async function open(onTestFinished: TestContext["onTestFinished"], settings: AppSettings): Promise<RunningApp> {
  const kept = { since: Date.now() - 1000, until: Date.now() + 500_000 };
  const app = await startApp(() => (settings.isCached ? cachedDescription(summit, kept) : described()), settings);
  onTestFinished(() => app.close());
  return app;
}

/** Sends a request as a browser's page could, with any headers. */
async function send(app: RunningApp, method: string, path: string, headers: Record<string, string>, body?: string) {
  const response = await new Promise<IncomingMessage>((resolve, reject) => {
    sendRequest(app.url + path, { method, headers }, resolve)
      .on("error", reject)
      .end(body);
  });
  return { status: response.statusCode, headers: response.headers, text: await readText(response) };
}

const json = (body: object) => {
  const text = JSON.stringify(body);
  return [{ "content-type": "application/json", "content-length": String(text.length) }, text] as const;
};

const requests = [
  ["GET", query],
  ["HEAD", query],
  ["POST", "/metadata", { url }],
  ["POST", "/metadata/batch", { urls: [url] }],
  ["DELETE", query],
  ["GET", "/version"],
  ["GET", "/nothing"],
  ["POST", "/metadata", { url: "nothing" }],
] as const;

test.for(requests)(
  "a page of a listed origin may read the response to %s %s",
  async ([method, path, sent], context) => {
    for (const settings of [{}, { isCached: () => true }]) {
      const app = await open(context.onTestFinished, { corsOrigins: [page], ...settings });
      const [headers, body] = sent ? json(sent) : [{}, undefined];
      const browser = { "sec-fetch-site": "cross-site", ...headers };
      const listed = await send(app, method, path, { ...browser, origin: page }, body);
      expect(listed.status).not.toBe(403);
      expect(listed.headers["access-control-allow-origin"]).toBe(page);
      expect(listed.headers["access-control-expose-headers"]).toContain("Server-Timing");
      expect(listed.headers.vary).toMatch(/\bOrigin\b/);
      const other = await send(app, method, path, { ...browser, origin: "https://evil.example" }, body);
      expect(other.status).toBe(path === "/nothing" ? 404 : 403);
      expect(other.headers["access-control-allow-origin"]).toBeUndefined();
    }
  },
);

test("a response for a listed origin varies by Accept and Origin, also without Origin and with 304", async (context) => {
  const app = await open(context.onTestFinished, { corsOrigins: [page], isCached: () => true });
  const { headers } = await send(app, "GET", query, {});
  expect(headers.vary).toBe("Accept, Origin");
  const again = await send(app, "GET", query, { "if-none-match": headers.etag!, origin: page });
  expect([again.status, again.headers.vary, again.headers["access-control-allow-origin"]]).toEqual([
    304,
    "Accept, Origin",
    page,
  ]);
});

test("the lines of a batch may be read by a page of a listed origin", async ({ onTestFinished }) => {
  const app = await open(onTestFinished, { corsOrigins: [page] });
  const [headers, body] = json({ urls: [url] });
  const lines = { ...headers, origin: page, accept: "application/x-ndjson" };
  const answer = await send(app, "POST", "/metadata/batch", lines, body);
  expect([answer.status, answer.headers["access-control-allow-origin"]]).toEqual([200, page]);
});

test("with tokens set, a preflight of a listed origin needs no token, but the request does", async (context) => {
  const app = await open(context.onTestFinished, { corsOrigins: [page], tokens: ["a-token"] });
  const preflight = { origin: page, "access-control-request-method": "POST" };
  const { status, headers } = await send(app, "OPTIONS", "/metadata", preflight);
  expect(status).toBe(204);
  expect(headers).toMatchObject({
    "access-control-allow-origin": page,
    "access-control-allow-methods": "GET, HEAD, POST, DELETE",
    "access-control-allow-headers": expect.stringMatching(/Authorization, Content-Type/),
    "access-control-max-age": "7200",
  });
  expect(headers["access-control-allow-credentials"]).toBeUndefined();
  expect((await send(app, "GET", query, { origin: page })).status).toBe(401);
  const authorized = await send(app, "GET", query, { origin: page, authorization: "Bearer a-token" });
  expect([authorized.status, authorized.headers["access-control-allow-origin"]]).toEqual([200, page]);
  const other = await send(app, "OPTIONS", "/metadata", { ...preflight, origin: "https://evil.example" });
  expect(Object.keys(other.headers).filter((name) => name.startsWith("access-control"))).toEqual([]);
});

test("with * every page may read responses, which do not vary by Origin", async ({ onTestFinished }) => {
  const app = await open(onTestFinished, { corsOrigins: ["*"] });
  const { status, headers } = await send(app, "GET", query, { origin: "null", "sec-fetch-site": "cross-site" });
  expect([status, headers["access-control-allow-origin"], headers.vary]).toEqual([200, "*", "Accept"]);
});

test("without listed origins no response has a header of CORS", async ({ onTestFinished }) => {
  const app = await open(onTestFinished, { tokens: ["a-token"] });
  for (const method of ["GET", "OPTIONS"]) {
    const preflight = { origin: page, "access-control-request-method": "POST" };
    const { headers } = await send(app, method, query, preflight);
    expect(Object.keys(headers).filter((name) => name.startsWith("access-control"))).toEqual([]);
    expect(headers.vary).toBeUndefined();
  }
});

test("a listed origin does not open a Host that is not set: DNS rebinding", async ({ onTestFinished }) => {
  const app = await open(onTestFinished, { corsOrigins: [page], hostnames: [] });
  expect((await send(app, "GET", query, { origin: page, host: "rebind.example" })).status).toBe(403);
});
