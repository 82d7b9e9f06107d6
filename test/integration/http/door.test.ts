import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, test, type TestContext } from "vitest";
import { startDescription } from "../../../src/domain/description.ts";
import { createNamedToken } from "../../../src/http/named-token.ts";
import { ask, askMetadata, assertDocumented } from "../../support/contract.ts";
import { described, cachedDescription, type RunningApp, startApp, summit } from "./app.ts";

const url = "https://upload.example.org/a/summit.jpg";

type OnTestFinished = TestContext["onTestFinished"];

async function openApp(onTestFinished: OnTestFinished, tokens: readonly string[] = []): Promise<RunningApp> {
  const app = await startApp(() => described(), { tokens });
  onTestFinished(() => app.close());
  return app;
}

function open(onTestFinished: OnTestFinished, app: RunningApp): Socket {
  const socket = connect(app.port, "127.0.0.1");
  socket.on("error", () => undefined);
  onTestFinished(() => void socket.destroy());
  return socket;
}

/** Sends raw bytes, and returns all bytes that the server sends until it closes. */
async function exchange(onTestFinished: OnTestFinished, app: RunningApp, bytes: string | Buffer): Promise<string> {
  const socket = open(onTestFinished, app);
  let received = "";
  socket.setEncoding("latin1").on("data", (text: string) => (received += text));
  socket.write(bytes);
  await once(socket, "close");
  return received;
}

/** Returns the status of a raw answer; asserts that it is documented. */
function statusOf(raw: string, method = "POST", path = "/metadata"): number {
  const [head = "", body = ""] = raw.split("\r\n\r\n");
  const status = Number(/^HTTP\/1\.1 (\d{3}) /.exec(head)?.[1]);
  const contentType = /\r\ncontent-type: ([^\r]+)/i.exec(head)?.[1] ?? null;
  assertDocumented(method, path, { status, contentType, body });
  expect(head).toMatch(/\r\nx-request-id: [\w.-]+/i);
  return status;
}

describe("tokens", () => {
  const tokens = ["first-token", "second-token"];

  test.for([
    ["a request without Authorization", undefined, 401],
    ["another token", "Bearer other-token", 401],
    ["the beginning of a token", "Bearer first", 401],
    ["both tokens at once", "Bearer first-token second-token", 401],
    ["another scheme", "Basic first-token", 401],
    ["a scheme without a token", "Bearer ", 401],
    ["the first token", "Bearer first-token", 200],
    ["the second token", "Bearer second-token", 200],
    ["a scheme in lower case", "bearer first-token", 200],
  ] as const)("with tokens set, the status for %s is %i", async ([, authorization, expected], { onTestFinished }) => {
    const app = await openApp(onTestFinished, tokens);
    const headers: Record<string, string> = authorization === undefined ? {} : { authorization };
    const { status, headers: answered } = await askMetadata(app.url, { url }, headers);
    expect(status).toBe(expected);
    expect(answered.get("www-authenticate")).toBe(expected === 401 ? "Bearer" : null);
    expect((await ask(`${app.url}/metadata?url=${url}`, { headers })).status).toBe(expected);
    expect((await ask(`${app.url}/metrics`, { headers })).status).toBe(expected);
  });

  test("health, readiness and the OpenAPI document need no token", async ({ onTestFinished }) => {
    const app = await openApp(onTestFinished, tokens);
    for (const path of ["/healthz", "/readyz", "/openapi.json"]) {
      expect([path, (await ask(app.url + path)).status]).toEqual([path, 200]);
    }
  });

  test("the body of a request without a token is not parsed", async ({ onTestFinished }) => {
    const app = await openApp(onTestFinished, tokens);
    expect((await askMetadata(app.url, "not JSON")).status).toBe(401);
  });

  test("tokens are never logged", async ({ onTestFinished }) => {
    const app = await openApp(onTestFinished, tokens);
    await askMetadata(app.url, { url }, { authorization: "Bearer first-token" });
    await askMetadata(app.url, { url }, { authorization: "Bearer wrong-token" });
    expect(app.log()).not.toMatch(/first-token|wrong-token/);
  });
});

describe("named tokens", () => {
  const key = "a-key-of-32-characters-and-more-!";
  const namedTokens = { key, revokedNames: ["left.example.org"] };
  const bearer = (name: string, secondsLeft: number | null = null) => ({
    authorization: `Bearer ${createNamedToken(name, secondsLeft && Math.floor(Date.now() / 1000) + secondsLeft, key)}`,
  });

  test("named tokens authorize API requests; expired and revoked ones are 401", async ({ onTestFinished }) => {
    const app = await startApp(() => described(), { namedTokens });
    onTestFinished(() => app.close());
    for (const [headers, expected] of [
      [{}, 401],
      [bearer("chat.example.org"), 200],
      [bearer("chat.example.org", 60), 200],
      [bearer("chat.example.org", -1), 401],
      [bearer("left.example.org"), 401],
    ] as const) {
      expect((await askMetadata(app.url, { url }, headers)).status).toBe(expected);
      expect((await ask(`${app.url}/metrics`, { headers })).status).toBe(expected);
    }
  });

  test("answers to named tokens are private to caches", async ({ onTestFinished }) => {
    const kept = { since: Date.now(), until: Date.now() + 60_000 };
    const app = await startApp(() => cachedDescription(summit, kept), { namedTokens });
    onTestFinished(() => app.close());
    const { headers } = await askMetadata(app.url, { url }, bearer("chat.example.org"));
    expect(headers.get("cache-control")).toMatch(/^private, max-age=/);
  });

  test("named and plain tokens work together; log and metrics have the name, never the token", async ({
    onTestFinished,
  }) => {
    const app = await startApp(() => described(), { namedTokens, tokens: ["plain-token"] });
    onTestFinished(() => app.close());
    const named = bearer("chat.example.org");
    await askMetadata(app.url, { url }, named);
    await askMetadata(app.url, { url }, named);
    await askMetadata(app.url, { url: "nothing" }, named);
    await askMetadata(app.url, { url }, { authorization: "Bearer plain-token" });
    const stranger = bearer("left.example.org");
    await askMetadata(app.url, { url }, stranger);
    const { text } = await ask(`${app.url}/metrics`, { headers: named });
    expect(text.match(/^media_oracle_requests_total.*$/gm)).toEqual([
      'media_oracle_requests_total{client="chat.example.org"} 3',
      'media_oracle_requests_total{client="token"} 1',
    ]);
    const clients = app.log().match(/"client":"[^"]*"/g);
    expect(clients).toEqual([...Array<string>(3).fill('"client":"chat.example.org"'), '"client":"token"']);
    for (const { authorization } of [named, stranger]) expect(app.log()).not.toContain(authorization.slice(-43));
  });

  test("without tokens set, every client is anonymous, even with an Authorization header", async ({
    onTestFinished,
  }) => {
    const app = await openApp(onTestFinished);
    await askMetadata(app.url, { url }, bearer("chat.example.org"));
    expect((await ask(`${app.url}/metrics`)).text).toContain('media_oracle_requests_total{client="anonymous"} 1');
    expect(app.log()).toContain('"client":"anonymous"');
  });
});

describe("requests", () => {
  test.for([
    ["an empty body", ""],
    ["no JSON", "{"],
    ["a string", '"https://upload.example.org/"'],
    ["null", "null"],
    ["an array", "[]"],
    ["no url", "{}"],
    ["a url that is no string", '{"url":7}'],
    ["an unknown key", `{"url":"${url}","depth":1}`],
    ["__proto__", `{"url":"${url}","__proto__":{"deadlineMs":50}}`],
    ["constructor", `{"url":"${url}","constructor":{"prototype":{}}}`],
    ["a deadline as text", `{"url":"${url}","deadlineMs":"1500"}`],
    ["a deadline of 49", `{"url":"${url}","deadlineMs":49}`],
    ["a deadline of 30001", `{"url":"${url}","deadlineMs":30001}`],
    ["a deadline of 99.5", `{"url":"${url}","deadlineMs":99.5}`],
    ["an unknown field", `{"url":"${url}","fields":["colour"]}`],
    ["an empty list of fields", `{"url":"${url}","fields":[]}`],
    ["deep nesting", `{"url":${"[".repeat(8000)}${"]".repeat(8000)}}`],
  ])("a body with this fault is 400 request_invalid: %s", async ([, body], { onTestFinished }) => {
    const app = await openApp(onTestFinished);
    const { status, json } = await askMetadata(app.url, body);
    expect(status).toBe(400);
    expect(json).toMatchObject({ code: "request_invalid" });
  });

  test.for([
    "",
    "url=a&url=b",
    `url=${url}&depth=1`,
    `url=${url}&__proto__=1`,
    `url=${url}&deadlineMs=`,
    `url=${url}&deadlineMs=soon`,
    `url=${url}&deadlineMs=49`,
    `url=${url}&deadlineMs=1500&deadlineMs=1500`,
    `url=${url}&fields=`,
    `url=${url}&fields=type,colour`,
  ])("the query %j is 400 request_invalid", async (query, { onTestFinished }) => {
    const app = await openApp(onTestFinished);
    const { status, json } = await ask(`${app.url}/metadata?${query}`);
    expect(status).toBe(400);
    expect(json).toMatchObject({ code: "request_invalid" });
  });

  test("a body that is not UTF-8 is 400, not another URL", async ({ onTestFinished }) => {
    const app = await openApp(onTestFinished);
    const { status } = await ask(`${app.url}/metadata`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: Buffer.from(`{"url":"https://upload.example.org/\xff"}`, "latin1"),
    });
    expect(status).toBe(400);
  });

  test.for(["text/plain", "application/x-www-form-urlencoded", "application/problem+json", "nonsense"])(
    "a body of type %s is 415, and the title says what to send",
    async (type, { onTestFinished }) => {
      const app = await openApp(onTestFinished);
      const { status, json } = await askMetadata(app.url, { url }, { "content-type": type });
      expect(status).toBe(415);
      expect(json.title).toBe("Send the request with Content-Type: application/json");
    },
  );

  test("parameters of the request's media type are ignored", async ({ onTestFinished }) => {
    const app = await openApp(onTestFinished);
    expect((await askMetadata(app.url, { url }, { "content-type": "Application/JSON; charset=utf-8" })).status).toBe(
      200,
    );
  });

  test("the longest URL is accepted in each request, with all its characters escaped or percent-encoded", async ({
    onTestFinished,
  }) => {
    const app = await openApp(onTestFinished);
    const long = "https://example.org/".padEnd(8192, "/");
    const query = long.replace(/./g, (character) => `%${character.charCodeAt(0).toString(16)}`);
    const headers = { cookie: "a".repeat(7000) };
    expect((await ask(`${app.url}/metadata?url=${query}`, { headers })).json).toMatchObject({ url: long });
    expect((await ask(`${app.url}/metadata?url=${query}`, { headers, method: "DELETE" })).status).toBe(204);
    const escaped = `{"url":"${long.replaceAll("/", "\\/")}"}`;
    expect((await askMetadata(app.url, escaped)).json).toMatchObject({ url: long });
  });

  test("a body over 16 KiB is 413, with Content-Length or chunked", async ({ onTestFinished }) => {
    const app = await openApp(onTestFinished);
    const large = JSON.stringify({ url: url.padEnd(16 * 1024, "a") });
    expect((await askMetadata(app.url, large)).status).toBe(413);
    const chunked =
      "POST /metadata HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n" +
      `${large.length.toString(16)}\r\n${large}\r\n0\r\n\r\n`;
    expect(statusOf(await exchange(onTestFinished, app, chunked))).toBe(413);
  });

  test.for([
    ["GET", "/nothing"],
    ["GET", "/metadata/nothing"],
    ["GET", "/metadata//"],
    ["OPTIONS", "/nothing"],
    ["HEAD", "/nothing"],
  ])("the unknown route %s %s is 404 route_unknown", async ([method = "", path = ""], { onTestFinished }) => {
    const app = await openApp(onTestFinished);
    const { status, headers } = await ask(app.url + path, { method });
    expect(status).toBe(404);
    expect(headers.get("content-type")).toBe("application/problem+json");
    expect(headers.get("x-request-id")).not.toBeNull();
  });

  test.for([
    ["PUT", "/metadata", "GET, HEAD, POST, DELETE"],
    ["PATCH", "/metadata/?url=a", "GET, HEAD, POST, DELETE"],
    ["GET", "/metadata/batch", "POST"],
    ["POST", "/healthz", "GET, HEAD"],
    ["DELETE", "/%68ealthz", "GET, HEAD"],
    ["PROPFIND", "/version", "GET, HEAD"],
  ] as const)("%s %s is 405, before its body and its token, with Allow", async ([method, path, methods], context) => {
    const app = await openApp(context.onTestFinished, ["a-token"]);
    const headers = { "content-type": "text/plain" };
    const body = method === "GET" ? null : "no JSON";
    const answer = await fetch(app.url + path, { method, headers, body });
    expect(await answer.json()).toMatchObject({ status: 405, code: "method_unsupported" });
    expect(answer.status).toBe(405);
    expect(answer.headers.get("allow")!.split(", ").sort()).toEqual([...methods.split(", "), "OPTIONS"].sort());
  });

  test.for(["/metadata", "/metadata/batch/", "/healthz"])("OPTIONS %s is 204 with Allow", async (path, context) => {
    const app = await openApp(context.onTestFinished, ["a-token"]);
    const { status, headers, text } = await ask(app.url + path, { method: "OPTIONS" });
    expect([status, text]).toEqual([204, ""]);
    expect(headers.get("allow")).toMatch(/\bOPTIONS$/);
    expect(headers.get("x-request-id")).not.toBeNull();
  });

  test("a trailing slash changes nothing", async ({ onTestFinished }) => {
    const app = await openApp(onTestFinished);
    const json = { method: "POST", headers: { "content-type": "application/json" } };
    expect((await ask(`${app.url}/metadata/?url=${url}`)).json).toMatchObject({ url });
    expect((await ask(`${app.url}/metadata/`, { ...json, body: JSON.stringify({ url }) })).json).toMatchObject({ url });
    expect((await ask(`${app.url}/metadata/batch/`, { ...json, body: `{"urls":["${url}"]}` })).status).toBe(200);
    expect((await ask(`${app.url}/healthz/`)).status).toBe(200);
  });

  test("a page with a trailing slash redirects to the one without, so that its relative links work", async (context) => {
    const page = new URL("../../../page", import.meta.url).pathname;
    const app = await startApp(() => described(), { page });
    context.onTestFinished(() => app.close());
    const { status, headers } = await fetch(`${app.url}/docs/?a`, { redirect: "manual" });
    expect([status, headers.get("location")]).toEqual([308, "../docs"]);
    expect((await fetch(`${app.url}/?a=/`)).redirected).toBe(false);
  });

  test("a path that cannot be decoded is 400", async ({ onTestFinished }) => {
    const app = await openApp(onTestFinished);
    const raw = await exchange(onTestFinished, app, "GET /%zz HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    expect(statusOf(raw, "GET", "/%zz")).toBe(400);
  });
});

describe("request ids", () => {
  test.for(["a", "0123.ABC_def-9", "x".repeat(64)])(
    "the caller's own request id %j is returned",
    async (id, { onTestFinished }) => {
      const app = await openApp(onTestFinished);
      expect((await askMetadata(app.url, { url }, { "x-request-id": id })).headers.get("x-request-id")).toBe(id);
    },
  );

  test.for(["", "x".repeat(65), "a b", "a,b", '{"a":1}', "é"])(
    "the invalid request id %j is replaced",
    async (id, { onTestFinished }) => {
      const app = await openApp(onTestFinished);
      const given = (await askMetadata(app.url, { url }, { "x-request-id": id })).headers.get("x-request-id");
      expect(given).toMatch(/^[0-9a-f]{12}-[0-9a-z]+$/);
    },
  );

  test("every request gets a different request id", async ({ onTestFinished }) => {
    const app = await openApp(onTestFinished);
    const answers = await Promise.all(Array.from({ length: 20 }, () => askMetadata(app.url, { url })));
    expect(new Set(answers.map(({ headers }) => headers.get("x-request-id"))).size).toBe(20);
  });

  test("every answer has X-Content-Type-Options: nosniff", async ({ onTestFinished }) => {
    const app = await openApp(onTestFinished);
    for (const path of [
      "/healthz",
      "/readyz",
      "/metrics",
      "/openapi.json",
      `/metadata?url=${url}`,
      "/nothing",
      "/metadata",
    ]) {
      expect([path, (await ask(app.url + path)).headers.get("x-content-type-options")]).toEqual([path, "nosniff"]);
    }
  });
});

describe("connections", () => {
  test.for([
    ["garbage", "\x16\x03\x01\x02\x00\x01\x00\x01", 400],
    ["another protocol", "EHLO example.org\r\n\r\n", 400],
    ["HTTP/2 in clear text", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400],
    ["two lengths", "POST /metadata HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", 400],
    [
      "a length and chunks",
      "POST /metadata HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
      400,
    ],
    [
      "a chunk size that is no number",
      "POST /metadata HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n",
      400,
    ],
    ["headers over 32 KiB", `GET /metadata HTTP/1.1\r\nHost: a\r\nX-Long: ${"a".repeat(33_000)}\r\n\r\n`, 431],
  ] as const)(
    "an unreadable request gets a short response, and its connection is closed: %s",
    async ([, bytes, expected], { onTestFinished }) => {
      const app = await openApp(onTestFinished);
      expect(statusOf(await exchange(onTestFinished, app, bytes))).toBe(expected);
    },
  );

  test("a request without Host, and one with an unknown expectation, are answered", async ({ onTestFinished }) => {
    const app = await openApp(onTestFinished);
    const noHost = await exchange(onTestFinished, app, "GET /healthz HTTP/1.1\r\nConnection: close\r\n\r\n");
    expect(statusOf(noHost, "GET", "/healthz")).toBe(200);
    const expecting = "GET /healthz HTTP/1.1\r\nHost: a\r\nExpect: wonders\r\nConnection: close\r\n\r\n";
    expect(statusOf(await exchange(onTestFinished, app, expecting), "GET", "/healthz")).toBe(200);
  });

  test("silent and slow connections are closed within 6 s, while others are answered", async ({ onTestFinished }) => {
    const app = await openApp(onTestFinished);
    const beginnings = [
      "",
      "GET /healthz HT",
      "GET /healthz HTTP/1.1\r\nHost: a\r\nX-Slow: ",
      "POST /metadata HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: 50\r\n\r\n{",
      "GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n", // then idle
    ];
    const began = performance.now();
    const lives = beginnings.map(async (beginning) => {
      const socket = open(onTestFinished, app);
      socket.resume().write(beginning);
      const drip = setInterval(() => beginning.endsWith("Slow: ") && socket.write("a"), 200);
      await once(socket, "close");
      clearInterval(drip);
      return performance.now() - began;
    });
    await sleep(1000);
    expect((await askMetadata(app.url, { url })).status).toBe(200);
    for (const life of await Promise.all(lives)) expect(life).toBeLessThan(6000);
  });

  test("a disconnected caller does not end the lookup", async ({ onTestFinished }) => {
    let finish = (): void => undefined;
    const lookup = startDescription(async (progress) => {
      await new Promise<void>((resolve) => (finish = resolve));
      return progress.learn(summit);
    });
    const app = await startApp(() => lookup);
    onTestFinished(() => app.close());
    const socket = open(onTestFinished, app);
    socket.write(`GET /metadata?url=${url} HTTP/1.1\r\nHost: a\r\n\r\n`);
    await once(socket, "connect");
    const patient = askMetadata(app.url, { url });
    socket.destroy();
    await once(socket, "close");
    finish();
    expect((await patient).status).toBe(200);
  });

  test("during shutdown, requests in flight are answered, then their connections are closed", async ({
    onTestFinished,
  }) => {
    let finish = (): void => undefined;
    const lookup = startDescription(async (progress) => {
      await new Promise<void>((resolve) => (finish = resolve));
      return progress.learn(summit);
    });
    let asked = (): void => undefined;
    const isAsked = new Promise<void>((resolve) => (asked = resolve));
    const app = await startApp(() => {
      asked();
      return lookup;
    });
    const answer = exchange(onTestFinished, app, `GET /metadata?url=${url} HTTP/1.1\r\nHost: a\r\n\r\n`);
    await isAsked;
    const closed = app.close();
    finish();
    expect(statusOf(await answer, "GET")).toBe(200);
    await closed;
  });
});
