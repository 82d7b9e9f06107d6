import type { IncomingMessage, ServerResponse } from "node:http";
import { expect, onTestFinished, test, vi } from "vitest";
import { checkHealth, readListenAddress } from "../../../src/cli/health.ts";
import { startOrigin } from "../../support/origin.ts";

test.each([
  [[], {}, "127.0.0.1", 8080],
  [[], { MEDIA_ORACLE_HOST: "::1", MEDIA_ORACLE_PORT: "9000" }, "::1", 9000],
  [[], { MEDIA_ORACLE_HOST: "", MEDIA_ORACLE_PORT: "" }, "127.0.0.1", 8080],
  [["--port", "9001"], { MEDIA_ORACLE_PORT: "9000" }, "127.0.0.1", 9001],
  [["--host=localhost", "--port=0"], {}, "localhost", 0],
  [["--port="], { MEDIA_ORACLE_PORT: "65535" }, "127.0.0.1", 65_535],
])("with the flags %j and the variables %j the service listens on %s, port %d", (args, environment, host, port) => {
  expect(readListenAddress(args, environment)).toEqual({ host, port });
});

test.each([
  [["--port", "65536"], {}],
  [["--port", "123456"], {}],
  [["--port", "80a"], {}],
  [["--port"], {}],
  [["--port", "--host"], {}],
  [["--port", "-1"], {}],
  [["--host", "chat.example.org"], {}],
  [["extra"], {}],
  [["--port", "80", "--max-bytes", "5"], {}],
  [["--verbose", "--port"], {}],
  [[], { MEDIA_ORACLE_PORT: "1e3" }],
  [[], { MEDIA_ORACLE_HOST: "0" }],
])("the flags %j and the variables %j are left to the parser of all settings", (args, environment) => {
  expect(readListenAddress(args, environment)).toBeNull();
});

/** Checks a server with these responses; returns the exit code and the printed lines. */
async function check(respond: (request: IncomingMessage, response: ServerResponse) => void, host = "127.0.0.1") {
  const server = await startOrigin(onTestFinished, respond);
  const printed = { stdout: "", stderr: "" };
  for (const name of ["stdout", "stderr"] as const) {
    const spy = vi.spyOn(process[name], "write").mockImplementation((text) => {
      printed[name] += String(text);
      return true;
    });
    onTestFinished(() => spy.mockRestore());
  }
  const port = Number(new URL(server.url("")).port);
  const code = await checkHealth({ host, port });
  return { code, ...printed, url: `http://${host}:${port}/readyz` };
}

test.each([200, 204, 299])("a service that responds with %d is ready", async (status) => {
  const { code, stderr } = await check((_request, response) => response.writeHead(status).end());
  expect([code, stderr]).toEqual([0, ""]);
});

test.each([300, 404, 503])("a service that responds with %d is not ready", async (status) => {
  const { code, stdout, stderr, url } = await check((_request, response) => response.writeHead(status).end("no"));
  expect([code, stdout, stderr]).toEqual([1, "", `media-oracle: ${url} responded with ${status}: no\n`]);
});

test("an answer of up to 200 characters is printed whole, and of a longer one as many", async () => {
  for (const [length, printed] of [
    [199, 199],
    [200, 200],
    [201, 200],
  ] as const) {
    const { stdout } = await check((_request, response) => response.end("a".repeat(length)));
    expect(stdout).toBe(`${"a".repeat(printed)}\n`);
  }
});

test("the connection is closed after an answer that does not end", async () => {
  let onClosed = (): void => undefined;
  const closed = new Promise<void>((resolve) => (onClosed = resolve));
  const { code, stdout } = await check((request, response) => {
    request.socket.on("close", onClosed);
    response.write("a".repeat(1000));
  });
  expect([code, stdout]).toEqual([0, `${"a".repeat(200)}\n`]);
  await closed;
});

test("a service that does not answer within two seconds is not ready, and its connection is closed", async () => {
  const timeout = new AbortController();
  const limits: number[] = [];
  vi.spyOn(AbortSignal, "timeout").mockImplementationOnce((milliseconds) => {
    limits.push(milliseconds);
    return timeout.signal;
  });
  onTestFinished(() => void vi.restoreAllMocks());
  let onClosed = (): void => undefined;
  const closed = new Promise<void>((resolve) => (onClosed = resolve));
  const { code, stdout, stderr, url } = await check((request) => {
    request.socket.on("close", onClosed);
    timeout.abort();
  });
  expect([code, stdout]).toEqual([1, ""]);
  expect(stderr).toBe(`media-oracle: no response from ${url}: timeout of 2000 ms\n`);
  expect(limits).toEqual([2000]); // less than the 3 s of the container's health check
  await closed;
});

test("a connection that is closed in the middle of an answer is not an answer", async () => {
  const { code, stderr, url } = await check((_request, response) => {
    response.writeHead(200, { "content-length": "100" }).write("half");
    setTimeout(() => response.destroy(), 20);
  });
  expect(code).toBe(1);
  expect(stderr).toContain(`media-oracle: no response from ${url}: `);
});

test("a service that listens on all addresses is asked on the loopback address", async () => {
  const { code, stdout } = await check((request, response) => response.end(request.headers.host), "0.0.0.0");
  expect(code).toBe(0);
  expect(stdout).toMatch(/^127\.0\.0\.1:\d+\n$/);
});
