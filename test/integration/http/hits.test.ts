import { once } from "node:events";
import { connect } from "node:net";
import { describe, expect, test, type TestContext } from "vitest";
import type { Description } from "../../../src/domain/description.ts";
import { OracleError } from "../../../src/domain/errors.ts";
import type { Target } from "../../../src/domain/target.ts";
import { ask, assertDocumented } from "../../support/contract.ts";
import { described, failed, remembered, type RunningApp, startApp, summit } from "./app.ts";

const kept = { since: Date.now() - 500_000, until: Date.now() + 500_000 };
const token = "one-of-the-tokens";

/** Returns the cache hit of a URL, by its path; null for a miss. */
function recall({ url }: Target): Description | null {
  if (url.pathname.startsWith("/hit")) return remembered(summit, kept);
  if (url.pathname === "/stale") return remembered(summit, { ...kept, until: Date.now() - 30_000 }, "stale");
  if (url.pathname === "/gone")
    return { ...failed(new OracleError("source_status", "", { upstreamStatus: 410 })), cached: "hit", kept };
  return null;
}

/** Starts an app with or without cache hits on the fast path; records its cache checks and lookups, in order. */
async function open(onTestFinished: TestContext["onTestFinished"], looksFirst: boolean, tokens: string[] = []) {
  const asked: string[] = [];
  const app = await startApp(
    (target) => {
      asked.push("looked up");
      return recall(target) ?? described();
    },
    {
      tokens,
      isRemembered(target) {
        asked.push("remembered?");
        return looksFirst && recall(target) !== null;
      },
    },
  );
  onTestFinished(() => app.close());
  return { app, asked };
}

interface Sent {
  readonly url?: string;
  readonly body?: string | Buffer;
  readonly path?: string;
  readonly method?: string;
  readonly headers?: readonly string[];
  /** Whether the body is sent in two pieces, the second one late. */
  readonly inPieces?: boolean;
}

const question = (path: string) => JSON.stringify({ url: `https://upload.example.org${path}` });

const plainHeaders = (more: readonly string[] = []) => [
  "Content-Type: application/json",
  `Content-Length: ${question("/hit.jpg").length}`,
  ...more,
];

/** Sends a request, and a second one on the same connection; returns the answers without Date, Age and ttl. */
async function exchange(app: RunningApp, { url = "/hit.jpg", ...sent }: Sent): Promise<string> {
  const { method = "POST", path = "/metadata", inPieces = false } = sent;
  const body = Buffer.from(sent.body ?? question(url));
  const given = sent.headers ?? ["Content-Type: application/json", `Content-Length: ${body.length}`];
  const lines = [`${method} ${path} HTTP/1.1`, "Host: a", "X-Request-Id: test-1", ...given];
  const socket = connect(app.port, "127.0.0.1");
  let received = "";
  socket.setEncoding("latin1").on("data", (text: string) => (received += text));
  socket.on("error", () => undefined);
  socket.write(`${lines.join("\r\n")}\r\n\r\n`);
  socket.write(inPieces ? body.subarray(0, 20) : body);
  if (inPieces) setTimeout(() => socket.write(body.subarray(20)), 50);
  setTimeout(
    () => socket.write("GET /healthz HTTP/1.1\r\nHost: a\r\nX-Request-Id: test-2\r\nConnection: close\r\n\r\n"),
    150,
  );
  await once(socket, "close");
  return received.replace(/\r\n(Date|Age): [^\r]+|; ttl=-\d+/g, "");
}

const answeredAtOnce = ["remembered?", "looked up"];
const answeredByAll = ["looked up"];

describe("cache hits on the fast path", () => {
  test.for<[name: string, sent: Sent, asked: readonly string[]]>([
    ["plainly", {}, answeredAtOnce],
    ["for the second time", { url: "/hit-again" }, answeredAtOnce],
    ["with a body in two pieces", { inPieces: true }, answeredAtOnce],
    ["of what is stale", { url: "/stale" }, answeredAtOnce],
    ["with fields", { body: '{"url":"http://a.example.org/hit","fields":["type"]}' }, answeredAtOnce],
    ["with a deadline", { body: '{"url":"http://a.example.org/hit","deadlineMs":50}' }, answeredAtOnce],
    ["as XML", { headers: plainHeaders(["Accept: application/xml"]) }, answeredAtOnce],
    ["with an ETag, which is none of POST's", { headers: plainHeaders(['If-None-Match: "a", *']) }, answeredAtOnce],
    [
      "with a charset",
      { headers: plainHeaders().with(0, "Content-Type: application/json; charset=utf-8") },
      answeredByAll,
    ],
    ["with a query", { path: "/metadata?a=b" }, answeredByAll],
    [
      "in chunks",
      {
        body: `2c\r\n${question("/hit.jpg")}\r\n0\r\n\r\n`.replace("2c", question("/hit.jpg").length.toString(16)),
        headers: ["Content-Type: application/json", "Transfer-Encoding: chunked"],
      },
      answeredByAll,
    ],
    [
      "with a GET",
      { method: "GET", path: "/metadata?url=https://a.example.org/hit", headers: [], body: "" },
      answeredByAll,
    ],
  ])("the fast path answers a cache hit like Fastify: %s", async ([, sent, expected], { onTestFinished }) => {
    const [first, second] = [await open(onTestFinished, true), await open(onTestFinished, false)];
    const answer = await exchange(first.app, sent);
    expect(answer).toMatch(/^HTTP\/1\.1 200 OK\r\n[^]*HTTP\/1\.1 200 OK\r\n/);
    expect(answer).toBe(await exchange(second.app, sent));
    expect(first.asked).toEqual(expected);
  });
});

describe("other requests on the fast path", () => {
  test.for<[name: string, sent: Sent, status: number]>([
    ["a URL that is not cached", { url: "/new" }, 200],
    ["a URL that is not cached, in pieces", { url: "/new", inPieces: true }, 200],
    ["a cached failure", { url: "/gone" }, 502],
    ["an invalid URL", { body: '{"url":"hit"}' }, 400],
    ["an unsupported scheme", { body: '{"url":"ftp://a/hit"}' }, 400],
    ["a body that is not JSON", { body: '{"url":' }, 400],
    ["a body that is not UTF-8", { body: Buffer.from('{"url":"http://a/hit\xff"}', "latin1") }, 400],
    ["a body with an unknown key", { body: '{"url":"http://a/hit","more":1}' }, 400],
    ["a deadline out of range", { body: '{"url":"http://a/hit","deadlineMs":1}' }, 400],
    ["an empty body", { body: "" }, 400],
    ["a body that is too large", { body: JSON.stringify({ url: `http://a/${"h".repeat(20_000)}` }) }, 413],
  ])("the fast path leaves %s to Fastify", async ([, sent, status], { onTestFinished }) => {
    const [first, second] = [await open(onTestFinished, true), await open(onTestFinished, false)];
    const answer = await exchange(first.app, sent);
    expect(answer).toMatch(new RegExp(`^HTTP/1\\.1 ${status} `));
    expect(answer).toBe(await exchange(second.app, sent));
    const [head = "", body = ""] = answer.split("\r\n\r\n");
    const contentType = /\r\ncontent-type: ([^\r]+)/i.exec(head)?.[1] ?? null;
    assertDocumented("POST", "/metadata", { status, contentType, body: body.replace(/HTTP\/1\.1[^]*$/, "") });
  });

  test.for<[name: string, headers: readonly string[]]>([
    ["a cache hit without the token", []],
    ["a cache hit with another token", ["Authorization: Bearer nobodys"]],
  ])("%s is 401, without a cache check", async ([, headers], { onTestFinished }) => {
    const { app, asked } = await open(onTestFinished, true, [token]);
    expect(await exchange(app, { headers: plainHeaders(headers) })).toMatch(/^HTTP\/1\.1 401 /);
    expect(asked).toEqual([]);
  });
});

test("with tokens set, the fast path answers hits with a token, private to caches", async ({ onTestFinished }) => {
  const { app, asked } = await open(onTestFinished, true, [token]);
  const body = question("/hit.jpg");
  const headers = [
    "Content-Type: application/json",
    `Content-Length: ${body.length}`,
    `Authorization: Bearer ${token}`,
  ];
  const answer = await exchange(app, { body, headers });
  expect(answer).toMatch(/^HTTP\/1\.1 200 /);
  expect(answer).toMatch(/\r\nCache-Control: private, /);
  expect(asked).toEqual(answeredAtOnce);
});

test("cache hits are counted and logged like all answers", async ({ onTestFinished }) => {
  const { app } = await open(onTestFinished, true);
  await exchange(app, {});
  await exchange(app, { url: "/new" });
  const { text } = await ask(`${app.url}/metrics`);
  expect(text).toContain('media_oracle_requests_total{client="anonymous"} 2');
  expect(text).toContain('media_oracle_cache_total{result="hit"} 1');
  expect(text).toContain('media_oracle_cache_total{result="miss"} 1');
  expect(app.log().match(/"requestId":"test-1"/g)).toHaveLength(2);
});

test("a caller who disconnects in the middle of a request does not affect others", async ({ onTestFinished }) => {
  const { app, asked } = await open(onTestFinished, true);
  const socket = connect(app.port, "127.0.0.1");
  socket.write(
    'POST /metadata HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: 40\r\n\r\n{"url"',
  );
  await once(socket, "connect");
  socket.resetAndDestroy();
  expect(await exchange(app, {})).toMatch(/^HTTP\/1\.1 200 /);
  expect(asked).toEqual(answeredAtOnce);
});

test("during shutdown, the rest of a request is answered, then its connection is closed", async ({
  onTestFinished,
}) => {
  let release!: () => void; // set by the next line
  const released = new Promise<void>((resolve) => (release = resolve));
  const app = await startApp(
    (target) => recall(target) ?? { ...described(), done: released.then(() => summit), known: null },
    { isRemembered: (target) => recall(target) !== null },
  );
  const slow = exchange(app, { url: "/new" });
  const socket = connect(app.port, "127.0.0.1");
  onTestFinished(() => void socket.destroy());
  let received = "";
  socket.setEncoding("latin1").on("data", (text: string) => (received += text));
  const body = question("/hit.jpg");
  const head = `POST /metadata HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n`;
  socket.write(head + body.slice(0, 10));
  await new Promise((resolve) => setTimeout(resolve, 50));
  const closed = app.close();
  await new Promise((resolve) => setTimeout(resolve, 50));
  socket.write(body.slice(10));
  const ended = once(socket, "close");
  release();
  await Promise.all([closed, slow, ended]);
  expect(received).toMatch(/^HTTP\/1\.1 200 /);
});
