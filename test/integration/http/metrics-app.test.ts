import { connect } from "node:net";
import { once } from "node:events";
import { pino } from "pino";
import { expect, test, type TestContext } from "vitest";
import { idleGauges } from "../../../src/http/gauges.ts";
import { createMetrics } from "../../../src/http/metrics.ts";
import { createMetricsApp } from "../../../src/http/metrics-app.ts";

async function openListener(onTestFinished: TestContext["onTestFinished"], hostnames: string[] | null = []) {
  const metrics = createMetrics(idleGauges);
  const app = createMetricsApp({ metrics, hostnames, inactivityTimeoutMs: 60_000, logger: pino({ level: "silent" }) });
  onTestFinished(() => app.close());
  return { url: await app.listen({ host: "127.0.0.1", port: 0 }), app };
}

test("the metrics listener answers GET /metrics without a token, and HEAD without a body", async ({
  onTestFinished,
}) => {
  const { url } = await openListener(onTestFinished);
  const got = await fetch(`${url}/metrics`);
  expect([got.status, got.headers.get("content-type")]).toEqual([200, "text/plain; version=0.0.4; charset=utf-8"]);
  expect(await got.text()).toContain("media_oracle_cache_total");
  const head = await fetch(`${url}/metrics`, { method: "HEAD" });
  expect([head.status, await head.text()]).toEqual([200, ""]);
});

test("the metrics listener has no other route, and no other method", async ({ onTestFinished }) => {
  const { url } = await openListener(onTestFinished);
  for (const path of ["/", "/metadata?url=http://a.example.org/", "/healthz", "/readyz", "/version", "/metrics/x"]) {
    expect([path, (await fetch(url + path)).status]).toEqual([path, 404]);
  }
  for (const method of ["POST", "PUT", "DELETE"]) {
    const answer = await fetch(`${url}/metrics`, { method, ...(method === "POST" && { body: "{" }) });
    expect([method, answer.status, answer.headers.get("allow")]).toEqual([method, 405, "GET, HEAD, OPTIONS"]);
    expect(await answer.json()).toMatchObject({ code: "method_unsupported" });
  }
});

test("the metrics listener refuses browsers of foreign pages, and a foreign Host on loopback", async ({
  onTestFinished,
}) => {
  const { app } = await openListener(onTestFinished);
  const statusFor = async (headers: Record<string, string>) =>
    (await app.inject({ url: "/metrics", headers })).statusCode;
  expect(await statusFor({ host: "10.0.0.5:9464" })).toBe(200);
  expect(await statusFor({ host: "attacker.example.org" })).toBe(403);
  expect(await statusFor({ host: "localhost", "sec-fetch-site": "cross-site" })).toBe(403);
});

test("the metrics listener closes connections above its bound, and answers those below it", async ({
  onTestFinished,
}) => {
  const { url } = await openListener(onTestFinished);
  const sockets = Array.from({ length: 10 }, () => connect(Number(new URL(url).port), "127.0.0.1").resume());
  const closed = sockets.map((socket) => once(socket, "close"));
  await Promise.race(closed);
  for (const socket of sockets) socket.destroy();
  await Promise.all(closed);
  await expect.poll(async () => (await fetch(`${url}/metrics`)).status).toBe(200);
});

test("metrics that cannot be read are a 500 and one log line; a refused browser is in no log", async ({
  onTestFinished,
}) => {
  const lines: string[] = [];
  const metrics = { contentType: "text/plain", text: () => Promise.reject(new Error("broken")) };
  const logger = pino({}, { write: (line: string) => lines.push(line) });
  const app = createMetricsApp({ metrics, hostnames: [], inactivityTimeoutMs: 60_000, logger });
  onTestFinished(() => app.close());
  expect((await app.inject({ url: "/metrics", headers: { host: "attacker.example.org" } })).statusCode).toBe(403);
  expect(lines).toEqual([]);
  const answer = await app.inject({ url: "/metrics" });
  expect([answer.statusCode, answer.json()]).toEqual([500, expect.objectContaining({ code: "internal" })]);
  expect(lines.map((line) => JSON.parse(line) as unknown)).toEqual([
    expect.objectContaining({ level: 50, code: "internal", msg: "the metrics cannot be read" }),
  ]);
});

test("the metrics listener answers a path that cannot be decoded, and a request that cannot be parsed", async ({
  onTestFinished,
}) => {
  const { url } = await openListener(onTestFinished);
  for (const request of ["GET /%zz HTTP/1.1\r\nConnection: close\r\n\r\n", "no request\r\n\r\n"]) {
    const socket = connect(Number(new URL(url).port), "127.0.0.1").setEncoding("utf8");
    let answer = "";
    socket.on("data", (text: string) => (answer += text));
    socket.write(request);
    await once(socket, "close");
    expect(answer).toMatch(/^HTTP\/1\.1 400 /);
    expect(answer).toMatch(/"code":"request_invalid"/);
  }
});

test("the metrics listener has room for six connections", async ({ onTestFinished }) => {
  const { app } = await openListener(onTestFinished);
  expect(app.server.maxConnections).toBe(6);
});
