import { stripVTControlCharacters } from "node:util";
import { expect, onTestFinished, test } from "vitest";
import { type Metadata, unknownMetadata } from "../../../src/domain/metadata.ts";
import { startOrigin } from "../../support/origin.ts";
import { runCommand } from "../../support/run-command.ts";

const url = "https://example.org/a.png";

/** Probes the URL with a service that returns this metadata, and these headers. */
async function probe(
  part: Partial<Metadata> & { readonly partial?: boolean; readonly url?: string },
  { args = [], headers = {} }: { args?: readonly string[]; headers?: Record<string, string> } = {},
) {
  const service = await startOrigin(onTestFinished, (_request, response) => {
    response
      .writeHead(200, { "content-type": "application/json", ...headers })
      .end(JSON.stringify({ url, ...unknownMetadata, partial: false, ...part }));
  });
  const { stdout, ...others } = await runCommand(["probe", "--server", service.url(""), ...args, url]);
  return { ...others, stdout: stripVTControlCharacters(stdout) };
}

const known: Partial<Metadata> = {
  bytes: 15_690,
  bytesSource: "counted",
  type: "image/gif",
  width: 640,
  height: 480,
  blurhash: "LEHV6nWB2yk8pyo0adR*.7kCMdnj",
  thumbhash: "1QcSHQRnh493",
  thumbnail: `data:image/png;base64,iVBORw0KGgo${"A".repeat(100)}`,
  animated: true,
  durationMs: 1500,
  sha256: "0".repeat(64),
  filename: "a b.gif",
  warnings: ["type_mismatch", "decode_failed"],
};

test("all facts are printed in rows of a label and a value", async () => {
  const headers = { "cache-status": "media-oracle; fwd=miss", "server-timing": "queue;dur=0, fetch;dur=12.3" };
  const { code, stdout, stderr } = await probe({ ...known, partial: true }, { headers });
  expect([code, stderr]).toEqual([0, ""]);
  expect(stdout).toBe(`${url}
  type        image/gif, animated
  size        15.7 kB (15690 bytes, counted)
  pixels      640 x 480
  duration    1.5 s
  blurhash    LEHV6nWB2yk8pyo0adR*.7kCMdnj
  thumbhash   1QcSHQRnh493
  thumbnail   data:image/png;base64,iVBORw0KGgoAAAAAAA… (whole with --json)
  sha256      ${"0".repeat(64)}
  filename    a b.gif
  cache       miss, looked up just now
  time        queue 0 ms, fetch 12.3 ms
  partial     the deadline has passed: ask again for the other facts
  warning     type_mismatch: the Content-Type header contradicts the bytes; decode_failed: a file of a format that is decoded cannot be: it is broken, encrypted or has an unknown codec

`);
});

test("unknown facts have no rows", async () => {
  const { stdout } = await probe({ type: "text/plain", animated: false });
  expect(stdout).toBe(`${url}\n  type        text/plain\n  cache       unknown\n  time        \n\n`);
});

test("a size of 0 bytes is known, and its source is the header if none is named", async () => {
  expect((await probe({ bytes: 0 })).stdout).toContain("  size        0 bytes (0 bytes, declared)\n");
});

test("a width without a height is no size in pixels, and neither is the reverse", async () => {
  expect((await probe({ width: 5 })).stdout).not.toContain("pixels");
  expect((await probe({ height: 5 })).stdout).not.toContain("pixels");
});

test("a blurhash without a size is drawn as a square", async () => {
  const service = await startOrigin(onTestFinished, (_request, response) => {
    const metadata = { url, ...unknownMetadata, blurhash: known.blurhash };
    response.setHeader("content-type", "application/json").end(JSON.stringify(metadata));
  });
  const { stdout } = await runCommand(["probe", "--server", service.url(""), url], { FORCE_COLOR: "3" });
  const lines = stdout.split("\n").filter((line) => line.includes("▀"));
  expect([lines.length, ...new Set(lines.map((line) => line.split("▀").length - 1))]).toEqual([14, 28]);
  expect(lines.every((line) => line.startsWith("  \x1b["))).toBe(true);
});

test("a failure is explained on stderr, and exits with 1", async () => {
  const body = { type: "urn:x", title: "Too many redirects", status: 502, code: "source_redirects", retryable: false };
  const service = await startOrigin(onTestFinished, (_request, response) => {
    response.writeHead(502, { "content-type": "application/problem+json" }).end(JSON.stringify(body));
  });
  const args = ["probe", "--server", service.url(""), url];
  expect(await runCommand(args)).toEqual({
    code: 1,
    stdout: "",
    stderr: `${url}: Too many redirects. The redirects form a loop, or there are too many.\n`,
  });
  expect(await runCommand([...args, "--json"])).toEqual({ code: 1, stdout: `${JSON.stringify(body)}\n`, stderr: "" });
});

test("the deadline of the flag is sent to the service", async () => {
  const bodies: unknown[] = [];
  const service = await startOrigin(onTestFinished, (request, response) => {
    let text = "";
    request.setEncoding("utf8").on("data", (part: string) => (text += part));
    request.on("end", () => {
      bodies.push(JSON.parse(text));
      response.setHeader("content-type", "application/json").end(JSON.stringify({ url, ...unknownMetadata }));
    });
  });
  for (const flags of [[], ["--deadline-ms", "1500"]]) {
    await runCommand(["probe", "--server", service.url(""), ...flags, url]);
  }
  expect(bodies).toEqual([{ url }, { url, deadlineMs: 1500 }]);
});

test("--xml prints the element of a stanza, and --json the whole metadata", async () => {
  const { stdout } = await probe({ bytes: 5 }, { args: ["--xml"] });
  expect(stdout).toContain(`<url>${url}</url>`);
  expect(stdout).toContain("<bytes>5</bytes>");
  const json = await probe(known, { args: ["--json"] });
  expect(JSON.parse(json.stdout)).toMatchObject(known);
});

test.each([
  [["--server", "http://127.0.0.1:9", "-"], "--server looks up URLs only, and - is a file of this machine"],
  [["--server", "http://127.0.0.1:9", url, "a.png"], "--server looks up URLs only, and a.png is a file"],
  [["-", "-"], "- is the standard input: name it once"],
  [["--deadline-ms", "0", url], "--deadline-ms <n>: 0 is not a positive integer"],
  [["--deadline-ms", "1234567890", url], "is not a positive integer"],
  [["--server", "localhost:8080", url], "--server localhost:8080 is not an http(s) URL"],
  [["--server", "http://", url], "--server http:// is not an http(s) URL"],
])("the arguments %j are an error of usage", async (args, words) => {
  const { code, stdout, stderr } = await runCommand(["probe", ...args]);
  expect([code, stdout]).toEqual([2, ""]);
  expect(stderr).toContain(words);
});

test("the token is that of the environment, or of a file", async () => {
  const tokens: (string | undefined)[] = [];
  const service = await startOrigin(onTestFinished, (request, response) => {
    tokens.push(request.headers.authorization);
    response.setHeader("content-type", "application/json").end(JSON.stringify({ url, ...unknownMetadata }));
  });
  const args = ["probe", "--server", service.url(""), url];
  await runCommand(args);
  await runCommand(args, { MEDIA_ORACLE_TOKEN: "" });
  await runCommand(args, { MEDIA_ORACLE_TOKEN: "token-of-a-variable" });
  await runCommand(args, { MEDIA_ORACLE_TOKEN: "", MEDIA_ORACLE_TOKEN_FILE: "/run/secrets/token" });
  expect(tokens).toEqual([undefined, undefined, "Bearer token-of-a-variable", "Bearer token-of-a-file"]);
  for (const [environment, words] of [
    [{ MEDIA_ORACLE_TOKEN: "a", MEDIA_ORACLE_TOKEN_FILE: "/run/secrets/token" }, "are both set"],
    [{ MEDIA_ORACLE_TOKEN_FILE: "/nowhere" }, "MEDIA_ORACLE_TOKEN_FILE cannot be read"],
  ] as const) {
    const { code, stderr } = await runCommand(args, environment);
    expect(code).toBe(78);
    expect(stderr).toContain(words);
  }
});

test.each([
  ["unauthorized", "Ask the operator of this service for a token. Set it as MEDIA_ORACLE_TOKEN."],
  ["route_unknown", "Check the address of the service"],
])("a service that answers %s fails all lookups: exit code 69", async (code, words) => {
  const service = await startOrigin(onTestFinished, (_request, response) => {
    response.writeHead(404, { "content-type": "application/problem+json" }).end(JSON.stringify({ title: "No", code }));
  });
  const result = await runCommand(["probe", "--json", "--server", service.url(""), url, url]);
  expect([result.code, result.stdout, service.requests]).toEqual([69, "", 1]);
  expect(result.stderr).toContain(words);
});
