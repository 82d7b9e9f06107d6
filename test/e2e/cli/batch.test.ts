import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { expect, onTestFinished, test } from "vitest";
import { startOrigin } from "../../support/origin.ts";
import { runProgram } from "../../support/service.ts";

const allowed = { ALLOW_ADDRESSES: "127.0.0.0/8", ALLOW_PORTS: "1-65535" };

interface Item {
  readonly index: number;
  readonly url: string;
  readonly metadata?: { readonly bytes: number };
  readonly problem?: { readonly code: string };
}

const itemsOf = (text: string): Item[] =>
  text
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => JSON.parse(line) as Item);

async function makeFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "media-oracle-"));
  onTestFinished(() => rm(folder, { recursive: true }));
  return folder;
}

type FakeAnswer = { status?: number; body: object; retryAfter?: string } | "reset";

/**
 * Starts a fake service with the responses of the test.
 *
 * @param answer `count` numbers the requests for the URL, from 1; "reset" closes the connection without a response
 */
async function startFakeService(answer: (request: { url: string; count: number }) => FakeAnswer) {
  const requestedUrls: string[] = [];
  const origin = await startOrigin(onTestFinished, (request, response) => {
    let text = "";
    request.setEncoding("utf8").on("data", (part: string) => (text += part));
    void once(request, "end").then(() => {
      const { url } = JSON.parse(text) as { url: string };
      requestedUrls.push(url);
      const found = answer({ url, count: requestedUrls.filter((requested) => requested === url).length });
      if (found === "reset") return void request.socket.destroy();
      const { status = 200, body, retryAfter } = found;
      if (retryAfter !== undefined) response.setHeader("retry-after", retryAfter);
      const type = status === 200 ? "application/json" : "application/problem+json";
      response.writeHead(status, { "content-type": type }).end(JSON.stringify(body));
    });
  });
  return { url: origin.url(""), requestedUrls };
}

const problem = (code: string, retryable: boolean) => ({ type: "", title: "no", status: 502, code, retryable });

test("batch reads its input from a named pipe", async () => {
  const origin = await startOrigin(onTestFinished, (_request, response) => response.end("hello"));
  const program = new URL("../../../dist/main.js", import.meta.url).pathname;
  const command = `"${process.execPath}" "${program}" batch --allow-addresses 127.0.0.0/8 --allow-ports 1-65535 <(echo ${origin.url("/a")})`;
  const environment = { PATH: process.env.PATH };
  const child = spawn("bash", ["-c", command], { env: environment, stdio: ["ignore", "pipe", "inherit"] });
  const ended = once(child, "exit");
  expect(itemsOf(await text(child.stdout))).toMatchObject([{ index: 0, metadata: { bytes: 5 } }]);
  expect(await ended).toEqual([0, null]);
});

test("batch reads URLs as plain text, JSON strings and JSON objects, and numbers the results by input line", async () => {
  const origin = await startOrigin(onTestFinished, (_request, response) => response.end("hello"));
  const [plain, quoted, inside] = ["/a", "/b", "/c"].map((path) => origin.url(path));
  const input = `${plain}\n\n"${quoted}"\r\n{"url":"${inside}","id":7}\nnonsense\n`;
  const { code, stdout, stderr } = await runProgram(["batch"], allowed, { input });
  const items = itemsOf(stdout).sort((one, other) => one.index - other.index);
  expect(items.map(({ index, url, metadata, problem }) => [index, url, metadata?.bytes ?? problem?.code])).toEqual([
    [0, plain, 5],
    [1, quoted, 5],
    [2, inside, 5],
    [3, "nonsense", "url_invalid"],
  ]);
  expect(code).toBe(1);
  expect(stderr).toMatch(/^4 looked up in .*, 1 failed\n$/);
});

test("batch writes results in the order of their arrival, not of the input lines", async () => {
  let release = (): void => undefined;
  const released = new Promise<void>((resolve) => (release = resolve));
  const origin = await startOrigin(onTestFinished, ({ url }, response) => {
    if (url === "/last") setTimeout(release, 100);
    void (url === "/first" ? released : Promise.resolve()).then(() => response.end("hello"));
  });
  const input = ["/first", "/second", "/last"].map((path) => `${origin.url(path)}\n`).join("");
  const { code, stdout } = await runProgram(["batch", "-", "--concurrency", "2"], allowed, { input });
  expect(code).toBe(0);
  expect(itemsOf(stdout).map(({ index }) => index)).toEqual([1, 2, 0]);
});

test("batch --resume replaces an incomplete last line, skips final results and retries the others", async () => {
  const folder = await makeFolder();
  const [input, output] = [join(folder, "urls"), join(folder, "answers")];
  const urls = ["answered", "dead", "gone", "torn", "new", "new"].map((name) => `https://example.org/${name}`);
  await writeFile(input, urls.join("\n"));
  const line = (index: number, result: object) => `${JSON.stringify({ index, url: urls[index], ...result })}\n`;
  const before =
    line(0, { metadata: { partial: false } }) +
    line(1, { problem: problem("source_unreachable", true) }) +
    line(2, { problem: problem("source_status", false) });
  await writeFile(output, before + line(3, { metadata: {} }).slice(0, 20));
  const service = await startFakeService(({ url }) => ({ body: { url, partial: false } }));
  const batch = ["batch", input, "--server", service.url, "--output", output];
  expect((await runProgram(batch)).code).toBe(2); // an existing file is not overwritten

  const { code, stdout, stderr } = await runProgram([...batch, "--resume"]);
  expect([code, stdout]).toEqual([0, ""]);
  expect(stderr).toMatch(/^4 looked up in .*, 0 failed, 2 skipped \(final results of an earlier run\)\n$/);
  expect(service.requestedUrls.sort()).toEqual([urls[1], urls[3], urls[4], urls[5]].sort());
  const written = await readFile(output, "utf8");
  expect(written.startsWith(before)).toBe(true);
  expect(itemsOf(written)).toHaveLength(7);

  await runProgram([...batch, "--resume"]);
  expect(service.requestedUrls).toHaveLength(4);
});

test("batch --resume keeps all complete lines of an output that is read in several parts", async () => {
  const folder = await makeFolder();
  const [input, output] = [join(folder, "urls"), join(folder, "answers")];
  const names = ["first", "middle", "last", "torn"];
  // The file is read in parts of 64 KiB: each line is longer, so that some parts have no end of a line.
  const urls = names.map((name) => `https://example.org/${name}?${name[0]!.repeat(100 * 1024)}`);
  await writeFile(input, urls.join("\n"));
  const lines = urls.map((url, index) => `${JSON.stringify({ index, url, metadata: { partial: false } })}\n`);
  const complete = lines.slice(0, 3).join("");
  await writeFile(output, complete + lines[3]!.slice(0, -20));
  const service = await startFakeService(({ url }) => ({ body: { url, partial: false } }));
  const { code } = await runProgram(["batch", input, "--server", service.url, "--output", output, "--resume"]);
  expect([code, service.requestedUrls]).toEqual([0, [urls[3]]]);
  const written = await readFile(output, "utf8");
  expect(written.startsWith(complete)).toBe(true);
  expect(itemsOf(written.slice(complete.length))).toMatchObject([{ index: 3, url: urls[3] }]);
});

test("batch --resume without --output is an error of usage", async () => {
  const { code, stdout, stderr } = await runProgram(["batch", "-", "--resume"], {}, { input: "" });
  expect([code, stdout]).toEqual([2, ""]);
  expect(stderr).toContain("--resume needs --output");
});

test("batch retries after the Retry-After time of an overloaded service, and after 2 s without one", async () => {
  const [named, unnamed] = ["https://example.org/named", "https://example.org/unnamed"];
  const service = await startFakeService(({ url, count }) => {
    const busy = { status: 503, body: problem("overloaded", true) };
    if (url === named && count <= 3) return { ...busy, retryAfter: "0" };
    return url === unnamed && count === 1 ? busy : { body: { url } };
  });
  const command = ["batch", "--server", service.url, "--concurrency", "2"];
  const { code, stdout } = await runProgram(command, {}, { input: `${unnamed}\n${named}\n` });
  expect(code).toBe(0);
  expect(itemsOf(stdout)).toMatchObject([{ url: named }, { url: unnamed }]);
  // Were Retry-After ignored, the pauses would be equal, and the last request that of the URL with more failures.
  expect(service.requestedUrls.slice(2)).toEqual([named, named, named, unnamed]);
});

test("batch tries an overloaded service five times, and an unreachable origin once", async () => {
  const [busy, unreachable] = ["https://example.org/busy", "https://example.org/unreachable"];
  const service = await startFakeService(({ url, count }) => {
    if (url === unreachable) return { status: 502, body: problem("source_unreachable", true) };
    return count < 10 ? { status: 503, body: problem("overloaded", true), retryAfter: "0" } : { body: { url } };
  });
  const { stdout } = await runProgram(
    ["batch", "--server", service.url, "--concurrency", "1"],
    {},
    { input: `${busy}\n${unreachable}\n` },
  );
  expect(itemsOf(stdout)).toMatchObject([
    { url: busy, problem: { code: "overloaded" } },
    { url: unreachable, problem: { code: "source_unreachable" } },
  ]);
  expect(service.requestedUrls).toEqual([...Array<string>(5).fill(busy), unreachable]);
});

test("batch waits for a service that goes away in the middle, and exits with 69 if it stays away", async () => {
  const urls = ["first", "second", "third"].map((name) => `https://example.org/${name}`);
  const input = urls.map((url) => `${url}\n`).join("");
  const lookUp = async (failures: number) => {
    const service = await startFakeService(({ url, count }) =>
      url === urls[1] && count <= failures ? "reset" : { body: { url } },
    );
    const command = ["batch", "--server", service.url, "--concurrency", "1"];
    const { code, stdout } = await runProgram(command, {}, { input });
    return { code, urls: itemsOf(stdout).map(({ url }) => url), requests: service.requestedUrls };
  };
  const [restarted, gone] = await Promise.all([lookUp(1), lookUp(Infinity)]);
  expect(restarted).toEqual({ code: 0, urls, requests: [urls[0], urls[1], urls[1], urls[2]] });
  expect(gone).toEqual({ code: 69, urls: [urls[0]], requests: [urls[0], ...Array(5).fill(urls[1])] });
});

test("batch exits with 69 if the service is unavailable, and with 2 if the input file does not exist", async () => {
  const input = "https://example.org/a\n";
  expect((await runProgram(["batch", "--server", "http://127.0.0.1:9"], {}, { input })).code).toBe(69);
  expect((await runProgram(["batch", "/no/such/file"])).code).toBe(2);
});

test("batch that is interrupted prints the command that continues it, and ends by the signal", async () => {
  const folder = await makeFolder();
  const [input, output] = [join(folder, "my urls"), join(folder, "answers")];
  await writeFile(input, "https://example.org/a\n");
  let onRequest = (): void => undefined;
  const requested = new Promise<void>((resolve) => (onRequest = resolve));
  const service = await startOrigin(onTestFinished, () => onRequest()); // answers nothing
  const program = new URL("../../../dist/main.js", import.meta.url).pathname;
  const args = [program, "batch", input, "--server", service.url(""), "--output", output];
  const child = spawn(process.execPath, args, {
    env: { PATH: process.env.PATH },
    stdio: ["ignore", "inherit", "pipe"],
  });
  const ended = once(child, "exit");
  const printed = text(child.stderr);
  await requested;
  child.kill("SIGINT");
  expect(await ended).toEqual([null, "SIGINT"]);
  expect(await printed).toContain(
    `media-oracle: interrupted: continue with media-oracle batch '${input}' --output ${output} --resume`,
  );
});
