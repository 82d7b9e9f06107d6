import { once } from "node:events";
import { connect } from "node:net";
import { expect, test } from "vitest";
import { ask } from "../../support/contract.ts";
import { described, plainApp, startApp } from "./app.ts";

const json = { "content-type": "application/json" };

test("a request must be complete within 4 s, and an idle connection is closed after 3.5 s", async ({
  onTestFinished,
}) => {
  const app = await plainApp({ inactivityTimeoutMs: 60_000 });
  onTestFinished(() => app.close());
  expect(app.server).toMatchObject({
    requestTimeout: 4000,
    headersTimeout: 4000,
    keepAliveTimeout: 3500,
    timeout: 60_000,
  });
});

test.each([
  ["/metadata", { url: "https://a.example.org/" }, 16 * 1024],
  ["/metadata/batch", { urls: ["https://a.example.org/"] }, 1024 * 1024],
])("%s accepts a body of its limit, and rejects one of one byte more", async (path, question, limit) => {
  const app = await plainApp();
  const statusOf = async (bytes: number) => {
    const payload = JSON.stringify(question).padEnd(bytes);
    return (await app.inject({ method: "POST", url: path, headers: json, payload })).statusCode;
  };
  expect([await statusOf(limit), await statusOf(limit + 1)]).toEqual([200, 413]);
  await app.close();
});

test("headers of up to 32 KiB are accepted, and longer ones are 431", async ({ onTestFinished }) => {
  const app = await startApp(() => described());
  onTestFinished(() => app.close());
  const statusWith = async (bytes: number) =>
    (await ask(`${app.url}/healthz`, { headers: { cookie: "a".repeat(bytes) } })).status;
  expect([await statusWith(31.5 * 1024), await statusWith(32.5 * 1024)]).toEqual([200, 431]);
});

test("a peer that never closes its side after an unreadable request does not keep its connection", async ({
  onTestFinished,
}) => {
  const app = await plainApp();
  onTestFinished(() => app.close());
  const url = await app.listen({ host: "127.0.0.1", port: 0 });
  const socket = connect({ port: Number(new URL(url).port), host: "127.0.0.1", allowHalfOpen: true });
  onTestFinished(() => void socket.destroy());
  socket.on("error", () => undefined).write("no request\r\n\r\n");
  await once(socket.resume(), "end");
  const open = () => new Promise((resolve) => app.server.getConnections((_error, count) => resolve(count)));
  await expect.poll(open).toBe(0);
});
