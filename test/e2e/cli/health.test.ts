import { mkdtemp, readdir, readFile, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { startOrigin } from "../../support/origin.ts";
import { runProgram, startService } from "../../support/service.ts";

/** Starts a server in place of the service, with one response for all requests. */
async function startServer(status: number, body: string): Promise<string> {
  const server = await startOrigin(onTestFinished, (_request, response) => response.writeHead(status).end(body));
  return new URL(server.url("")).port;
}

/** The bytes of all modules of the program that a run of it loads. */
async function loadedBytes(args: readonly string[], settings: Record<string, string>): Promise<number> {
  const folder = await mkdtemp(join(tmpdir(), "media-oracle-"));
  onTestFinished(() => rm(folder, { recursive: true }));
  const { code } = await runProgram(args, settings, { environment: { NODE_V8_COVERAGE: folder } });
  expect(code).toBe(0);
  const reports = await Promise.all((await readdir(folder)).map((name) => readFile(join(folder, name), "utf8")));
  const urls = reports.flatMap((text) => (JSON.parse(text) as { result: { url: string }[] }).result);
  const sizes = urls
    .filter(({ url }) => url.startsWith("file:"))
    .map(async ({ url }) => (await stat(new URL(url))).size);
  return (await Promise.all(sizes)).reduce((sum, size) => sum + size, 0);
}

test("health prints the answer of the service and exits with 0, or prints the error and exits with 1", async () => {
  const service = await startService();
  onTestFinished(async () => void (await service.stop()));
  const { port } = new URL(service.url);
  expect(await runProgram(["health"], { PORT: port })).toEqual({ code: 0, stdout: '{"status":"ok"}\n', stderr: "" });
  // The addresses that stand for all addresses are none to connect to.
  expect(await runProgram(["health", "--port", port, "--host=0.0.0.0"])).toMatchObject({ code: 0 });

  const stopping = await startServer(503, '{"status":"unready"}');
  expect(await runProgram(["health", `--port=${stopping}`])).toEqual({
    code: 1,
    stdout: "",
    stderr: `media-oracle: http://127.0.0.1:${stopping}/readyz responded with 503: {"status":"unready"}\n`,
  });
  const absent = await runProgram(["health"], { PORT: "9" });
  expect([absent.code, absent.stdout]).toEqual([1, ""]);
  expect(absent.stderr).toMatch(/^media-oracle: no response from http:\/\/127\.0\.0\.1:9\/readyz: .*ECONNREFUSED/);
});

test("health prints at most a short part of an answer that is not from a media-oracle, without control characters", async () => {
  const port = await startServer(500, `\u001b[2J${"a".repeat(100_000)}`);
  const { code, stderr } = await runProgram(["health", "--port", port]);
  expect(code).toBe(1);
  expect(stderr).toContain("responded with 500: [2Jaaa");
  expect(stderr.length).toBeLessThan(400);
});

test("health with a wrong option exits with 2, and with an invalid port or address with 78", async () => {
  for (const [args, settings, expected] of [
    [["health", "--no-such-flag"], {}, 2],
    [["health", "extra"], {}, 2],
    [["health", "--port"], {}, 2],
    [["health", "--port", "x"], {}, 78],
    [["health"], { PORT: "65536" }, 78],
    [["health"], { HOST: "chat.example.org" }, 78],
  ] as const) {
    const { code, stdout, stderr } = await runProgram(args, settings);
    expect([args, code, stdout]).toEqual([args, expected, ""]);
    expect(stderr).toMatch(/^media-oracle: \S/);
  }
  expect((await runProgram(["health", "--help"])).stdout).toContain("Usage: media-oracle health");
});

test("health loads a few small modules and no library, since a container runs it every ten seconds", async () => {
  const port = await startServer(200, '{"status":"ok"}');
  expect(await loadedBytes(["health"], { PORT: port })).toBeLessThan(20_000);
  expect(await loadedBytes(["config", "check"], {})).toBeGreaterThan(100_000);
});
