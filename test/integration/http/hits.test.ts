import { once } from "node:events";
import { connect } from "node:net";
import { expect, test, type TestContext } from "vitest";
import type { Description } from "../../../src/domain/description.ts";
import { OracleError } from "../../../src/domain/errors.ts";
import type { Target } from "../../../src/domain/target.ts";
import { ask, askMetadata, assertDocumented } from "../../support/contract.ts";
import { described, failed, cachedDescription, type RunningApp, startApp, summit } from "./app.ts";

const kept = { since: Date.now() - 500_000, until: Date.now() + 500_000 };
const keptStale = { ...kept, until: Date.now() - 30_000 };

/** Returns the cache hit of a URL, by its path; null for a miss. */
function findCached({ url }: Target): Description | null {
  if (url.pathname.startsWith("/hit")) return cachedDescription(summit, kept);
  if (url.pathname === "/stale") return cachedDescription(summit, keptStale, "stale");
  if (url.pathname === "/gone")
    return { ...failed(new OracleError("source_status", "", { upstreamStatus: 410 })), cached: "hit", kept };
  return null;
}

async function open(onTestFinished: TestContext["onTestFinished"]): Promise<RunningApp> {
  const isCached = (target: Target) => findCached(target) !== null;
  const app = await startApp((target) => findCached(target) ?? described(), { isCached });
  onTestFinished(() => app.close());
  return app;
}

const question = (path: string) => JSON.stringify({ url: `https://upload.example.org${path}` });

function requestBytes(body: string | Buffer, more: readonly string[] = []): Buffer {
  const content = Buffer.from(body);
  const lines = [
    "POST /metadata HTTP/1.1",
    "Host: a",
    "X-Request-Id: test-1",
    "Content-Type: application/json",
    ...more,
  ];
  return Buffer.concat([Buffer.from(`${lines.join("\r\n")}\r\nContent-Length: ${content.length}\r\n\r\n`), content]);
}

/** Sends the pieces one after the other, and returns all bytes that the server sends until it closes. */
async function exchange(app: RunningApp, ...pieces: readonly Buffer[]): Promise<string> {
  const socket = connect(app.port, "127.0.0.1");
  let received = "";
  socket.setEncoding("latin1").on("data", (text: string) => (received += text));
  socket.on("error", () => undefined);
  for (const [index, piece] of pieces.entries()) setTimeout(() => socket.write(piece), index * 50);
  await once(socket, "close");
  return received;
}

const closing = ["Connection: close"];

test.for<[name: string, body: string | Buffer, status: number]>([
  ["a hit", question("/hit.jpg"), 200],
  ["a stale hit", question("/stale"), 200],
  ["a hit with fields", '{"url":"http://a.example.org/hit","fields":["type"]}', 200],
  ["a miss", question("/new"), 200],
  ["a cached failure", question("/gone"), 502],
  ["a text that is no URL", '{"url":"hit"}', 400],
  ["an unsupported scheme", '{"url":"ftp://a/hit"}', 400],
  ["invalid JSON", '{"url":', 400],
  ["JSON that is no object", "false", 400],
  ["invalid UTF-8", Buffer.from('{"url":"http://a/hit\xff"}', "latin1"), 400],
  ["an unknown key", '{"url":"http://a/hit","more":1}', 400],
  ["a deadline out of bounds", '{"url":"http://a/hit","deadlineMs":1}', 400],
  ["an empty body", "", 400],
  ["a body that is too large", JSON.stringify({ url: `http://a/${"h".repeat(20_000)}` }), 413],
])("a repeated question gets the same answer again, also in two pieces: %s", async ([, body, status], context) => {
  const app = await open(context.onTestFinished);
  const bytes = requestBytes(body, closing);
  const answers = [await exchange(app, bytes), await exchange(app, bytes)];
  answers.push(await exchange(app, bytes.subarray(0, -20), bytes.subarray(-20)));
  const [first = "", ...others] = answers.map((answer) => answer.replace(/\r\n(Date|Age): [^\r]+|; ttl=-?\d+/gi, ""));
  for (const other of others) expect(other).toBe(first);
  const [head = "", text = ""] = first.split("\r\n\r\n");
  expect(head).toMatch(new RegExp(`^HTTP/1\\.1 ${status} `));
  const contentType = /\r\ncontent-type: ([^\r]+)/i.exec(head)?.[1] ?? null;
  assertDocumented("POST", "/metadata", { status, contentType, body: text });
});

test("pipelined questions are answered in their order", async ({ onTestFinished }) => {
  const app = await open(onTestFinished);
  const bodies = [question("/hit-1"), question("/new"), question("/hit-2"), '{"url":7}', question("/hit-1")];
  const received = await exchange(
    app,
    Buffer.concat(bodies.map((body, index) => requestBytes(body, index === 4 ? closing : []))),
  );
  const parts = received.split("HTTP/1.1 ").slice(1);
  expect(parts.map((part) => [part.slice(0, 3), /"url":"[^"]*\/([^"/]*)"/.exec(part)?.[1]])).toEqual([
    ["200", "hit-1"],
    ["200", "new"],
    ["200", "hit-2"],
    ["400", undefined],
    ["200", "hit-1"],
  ]);
});

test("a body that one route accepts is still rejected by another", async ({ onTestFinished }) => {
  const app = await open(onTestFinished);
  const askBatch = () =>
    ask(`${app.url}/metadata/batch`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: question("/hit.jpg"),
    });
  expect((await askMetadata(app.url, question("/hit.jpg"))).status).toBe(200);
  expect((await askBatch()).status).toBe(400);
  expect((await askMetadata(app.url, question("/hit.jpg"))).status).toBe(200);
});

test("cache hits are counted and logged like all answers", async ({ onTestFinished }) => {
  const app = await open(onTestFinished);
  for (const path of ["/hit.jpg", "/new"]) await exchange(app, requestBytes(question(path), closing));
  const { text } = await ask(`${app.url}/metrics`);
  expect(text).toContain('media_oracle_requests_total{client="anonymous"} 2');
  expect(text).toContain('media_oracle_cache_total{result="hit"} 1');
  expect(text).toContain('media_oracle_cache_total{result="miss"} 1');
  expect(app.log().match(/"requestId":"test-1"/g)).toHaveLength(2);
});

test("a caller who disconnects in the middle of a request does not affect others", async ({ onTestFinished }) => {
  const app = await open(onTestFinished);
  const socket = connect(app.port, "127.0.0.1");
  socket.write(requestBytes(question("/hit.jpg")).subarray(0, -10));
  await once(socket, "connect");
  socket.resetAndDestroy();
  expect(await exchange(app, requestBytes(question("/hit.jpg"), closing))).toMatch(/^HTTP\/1\.1 200 /);
});

test("during shutdown, the rest of a request is answered, then its connection is closed", async ({
  onTestFinished,
}) => {
  let release!: () => void; // set by the next line
  const released = new Promise<void>((resolve) => (release = resolve));
  const app = await startApp(
    (target) => findCached(target) ?? { ...described(), done: released.then(() => summit), known: null },
  );
  onTestFinished(() => app.close());
  const slow = exchange(app, requestBytes(question("/new"), closing));
  const bytes = requestBytes(question("/hit.jpg"));
  const socket = connect(app.port, "127.0.0.1");
  onTestFinished(() => void socket.destroy());
  let received = "";
  socket.setEncoding("latin1").on("data", (text: string) => (received += text));
  const ended = once(socket, "close");
  await once(socket, "connect");
  await new Promise((resolve) => socket.write(bytes.subarray(0, -10), resolve));
  await new Promise((resolve) => setTimeout(resolve, 50));
  const closed = app.close();
  await new Promise((resolve) => setTimeout(resolve, 50));
  socket.write(bytes.subarray(-10));
  release();
  await Promise.all([closed, slow, ended]);
  expect(received).toMatch(/^HTTP\/1\.1 200 /);
});
