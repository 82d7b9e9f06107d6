/** Tests client access to the built program: tokens, rate limits, and idle connections. */
import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { connect, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";
import { askMetadata } from "../../support/contract.ts";
import { startOrigin } from "../../support/origin.ts";
import { runProgram, type Service, startService } from "../../support/service.ts";

const key = "planted-key-of-32-characters-and-more";

async function start(settings: Record<string, string> = {}): Promise<Service> {
  const service = await startService({ ALLOW_ADDRESSES: "127.0.0.0/8", ALLOW_PORTS: "1-65535", ...settings });
  onTestFinished(async () => {
    await service.stop();
  });
  return service;
}

async function printToken(...parameters: string[]): Promise<string> {
  const { code, stdout, stderr } = await runProgram(["token", ...parameters], { TOKEN_KEY: key });
  expect([code, stderr]).toEqual([0, ""]);
  expect(stdout).toMatch(/^[A-Za-z0-9._~+/-]+=*\n$/);
  return stdout.trim();
}

describe("printed tokens", () => {
  test("a printed token is valid for its name on every replica with the key, until it is revoked", async () => {
    const folder = await mkdtemp(join(tmpdir(), "media-oracle-"));
    onTestFinished(() => rm(folder, { recursive: true }));
    await writeFile(join(folder, "key"), `${key}\n`);
    const one = await start({ TOKEN_KEY: key });
    const other = await start({ TOKEN_KEY_FILE: join(folder, "key"), REVOKED_TOKENS: "left.example.org" });
    const chat = { authorization: `Bearer ${await printToken("chat.example.org", "--expires", "90d")}` };
    const left = { authorization: `Bearer ${await printToken("left.example.org")}` };
    const question = { url: "http://localhost/" }; // an unsupported URL: 400 shows that the token was accepted
    const statuses = [];
    for (const [service, headers] of [
      [one, {}],
      [one, chat],
      [one, left],
      [other, chat],
      [other, left],
    ] as const) {
      statuses.push((await askMetadata(service.url, question, headers)).status);
    }
    expect(statuses).toEqual([401, 400, 400, 400, 401]);
    const metrics = await (await fetch(`${one.url}/metrics`, { headers: chat })).text();
    expect(metrics).toContain('media_oracle_requests_total{client="chat.example.org"} 1');
    await expect.poll(() => one.output()).toContain('"client":"chat.example.org"');
    for (const secret of [key, ...[chat, left].map(({ authorization }) => authorization.slice(-43))]) {
      expect(one.output() + other.output() + metrics).not.toContain(secret);
    }
  });

  test("a token key is enough to listen on all addresses", async () => {
    const service = await startService({ HOST: "0.0.0.0", TOKEN_KEY: key });
    expect(await service.stop()).toBe(0);
  });

  test("no token is printed without a key, for an invalid name, or with an invalid expiry", async () => {
    const noKey = await runProgram(["token", "chat.example.org"]);
    expect([noKey.code, noKey.stdout]).toEqual([78, ""]);
    expect(noKey.stderr).toContain("MEDIA_ORACLE_TOKEN_KEY");
    for (const parameters of [
      ["chat example"],
      ["anonymous"],
      ["gone.example.org"],
      ["chat.example.org", "--expires", "soon"],
      ["chat.example.org", "--expires", "0d"],
      ["chat.example.org", "--expires", "-1d"],
    ]) {
      const settings = { TOKEN_KEY: key, REVOKED_TOKENS: "gone.example.org" };
      const { code, stdout, stderr } = await runProgram(["token", ...parameters], settings);
      expect([parameters, code, stdout]).toEqual([parameters, 2, ""]);
      expect(stderr).toMatch(/^(media-oracle|error): /);
    }
  });
});

test("the rate limit rejects new lookups, and cached metadata is still returned", async () => {
  const origin = await startOrigin(onTestFinished, (_request, response) => response.end("hello"));
  const service = await start({ RATE_LIMIT: "2" });
  const ask = (name: string) => askMetadata(service.url, { url: origin.url(`/${name}`) });
  const statuses = [];
  for (const name of ["a", "a", "a", "b", "c", "a", "b", "d"]) statuses.push((await ask(name)).status);
  expect(statuses).toEqual([200, 200, 200, 200, 429, 200, 200, 429]);
  expect(origin.requests).toBe(2);
  const { headers } = await ask("e");
  expect(headers.get("retry-after")).toMatch(/^\d+$/);
  expect(headers.get("ratelimit")).toBe(`"client";r=0;t=${headers.get("retry-after")}`);
});

test("500 silent or slow connections are closed within 6 s, and do not delay a request beside them", async () => {
  const origin = await startOrigin(onTestFinished, (_request, response) => response.end("hello"));
  const service = await start();
  const beginnings = [
    "",
    "POST /meta",
    "POST /metadata HTTP/1.1\r\nHost: a\r\nX-Slow: ",
    'POST /metadata HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: 50\r\n\r\n{"',
    "GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n", // then idle
  ];
  const sockets: Socket[] = [];
  onTestFinished(() => sockets.forEach((socket) => socket.destroy()));
  const lives = Array.from({ length: 500 }, async (_, index) => {
    const beginning = beginnings[index % beginnings.length]!;
    const socket = connect(Number(new URL(service.url).port), "127.0.0.1");
    sockets.push(socket);
    socket.on("error", () => undefined).resume();
    const closed = once(socket, "close");
    await once(socket, "connect");
    const began = performance.now();
    socket.write(beginning);
    // Occasional characters count as silence, but after a whole request they would begin the next one.
    const isWhole = beginning.startsWith("GET");
    const drip = setInterval(() => socket.writable && beginning !== "" && !isWhole && socket.write("a"), 1000);
    await closed;
    clearInterval(drip);
    return performance.now() - began;
  });
  let answered = 0;
  let slowest = 0;
  const isOver = Promise.all(lives).then(() => true);
  while (!(await Promise.race([isOver, new Promise((resolve) => setTimeout(resolve, 50, false))]))) {
    const began = performance.now();
    const { status } = await askMetadata(service.url, { url: origin.url(`/${answered}`) });
    slowest = Math.max(slowest, performance.now() - began);
    expect(status).toBe(200);
    answered += 1;
  }
  const longest = Math.max(...(await Promise.all(lives)));
  console.log(
    `500 connections: closed after ${Math.round(longest)} ms at the latest; ${answered} answers, the slowest in ${Math.round(slowest)} ms`,
  );
  expect(longest).toBeLessThan(6000);
  expect(answered).toBeGreaterThan(20);
  // No answer waits for the end of a connection.
  expect(slowest).toBeLessThan(longest);
});

test("a thousand connections at once are queued while the service is stopped, and answered when it goes on", async () => {
  const service = await startService();
  onTestFinished(async () => void (await service.stop()));
  service.process.kill("SIGSTOP");
  onTestFinished(() => void service.process.kill("SIGCONT")); // before the stop above, should the test fail
  const { port, hostname } = new URL(service.url);
  const sockets = Array.from({ length: 1000 }, () => connect(Number(port), hostname));
  onTestFinished(() => sockets.forEach((socket) => socket.destroy()));
  await Promise.all(sockets.map((socket) => once(socket, "connect"))); // never, for those that the kernel drops
  const answers = sockets.map((socket) => once(socket, "data"));
  for (const socket of sockets) socket.write("GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n");
  service.process.kill("SIGCONT");
  for (const [bytes] of await Promise.all(answers)) expect(String(bytes)).toMatch(/^HTTP\/1\.1 200 /);
});
