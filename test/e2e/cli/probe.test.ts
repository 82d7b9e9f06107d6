import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { type AddressInfo, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { fileURLToPath } from "node:url";
import sharp from "sharp";
import { expect, onTestFinished, test } from "vitest";
import { type Metadata, unknownMetadata } from "../../../src/domain/metadata.ts";
import { rgbaToBlurhash } from "../../../src/media/worker/blurhash.ts";
import { makeCertificates, startOrigin, startRawOrigin, startTlsOrigin } from "../../support/origin.ts";
import { requires } from "../../support/require.ts";
import { runProgram, startService } from "../../support/service.ts";

const photo = await sharp({ create: { width: 640, height: 480, channels: 3, background: "#4080c0" } })
  .jpeg()
  .toBuffer();

const allowed = { ALLOW_ADDRESSES: "127.0.0.0/8", ALLOW_PORTS: "1-65535" };

async function startPhoto(): Promise<string> {
  const origin = await startOrigin(onTestFinished, ({ url }, response) => {
    if (url === "/gone.jpg") response.writeHead(404).end();
    else response.end(photo);
  });
  return origin.url("");
}

const blueHash = rgbaToBlurhash(
  32,
  32,
  Uint8Array.from({ length: 32 * 32 * 4 }, (_, index) => [0x40, 0x80, 0xc0, 0xff][index % 4]!),
  { x: 4, y: 3 },
);

/** Starts a fake service that returns the same metadata for every URL. */
async function startFakeService(part: Partial<Metadata> & { readonly url?: string }): Promise<string> {
  const body = { url: "https://example.org/", ...unknownMetadata, partial: false, ...part };
  const origin = await startOrigin(onTestFinished, (_request, response) => {
    response.setHeader("content-type", "application/json").end(JSON.stringify(body));
  });
  return origin.url("");
}

test("probe prints the metadata of a URL for people, and nothing else on stdout", async () => {
  const origin = await startPhoto();
  // As in the container, where the service itself requires tokens.
  const settings = { ...allowed, HOST: "0.0.0.0" };
  const { code, stdout, stderr } = await runProgram(["probe", `${origin}/a/summit.jpg`], settings);
  expect([code, stderr]).toEqual([0, ""]);
  expect(stdout.split("\n")[0]).toBe(`${origin}/a/summit.jpg`);
  for (const line of [
    /^ {2}type {8}image\/jpeg$/m,
    new RegExp(`^  size        .*\\(${photo.byteLength} bytes, counted\\)$`, "m"),
    /^ {2}pixels {6}640 x 480$/m,
    /^ {2}blurhash {4}L.{27}$/m,
    /^ {2}filename {4}summit\.jpg$/m,
    /^ {2}cache {7}miss, looked up just now$/m,
  ]) {
    expect(stdout).toMatch(line);
  }
});

test("probe accepts white space around a URL and a space inside, and says why a URL is refused", async () => {
  const origin = await startPhoto();
  const refused = [`${origin}/`.padEnd(8193, "a"), "https://exam\u200bple.org/"];
  const { code, stdout, stderr } = await runProgram(["probe", ` ${origin}/a/my summit.jpg\n`, ...refused], allowed);
  expect(code).toBe(1);
  expect(stdout.split("\n")[0]).toBe(`${origin}/a/my%20summit.jpg`);
  expect(stdout).toMatch(/^ {2}filename {4}my summit\.jpg$/m);
  expect(stderr).toMatch(/acceptable http\(s\) URL\. The URL is too long: .* 8192 characters\.$/m);
  expect(stderr).toMatch(/acceptable http\(s\) URL\. The host has an invisible character\.$/m);
});

test("probe draws the blurhash only if the output supports colours", async () => {
  const service = await startFakeService({ blurhash: blueHash, width: 640, height: 480 });
  const probeWith = async (environment: NodeJS.ProcessEnv) =>
    (await runProgram(["probe", "--server", service, "https://example.org/"], {}, { environment })).stdout;
  const drawn = await probeWith({ FORCE_COLOR: "3" });
  const pixels = [...drawn.matchAll(/38;2;(\d+);(\d+);(\d+);/g)].map((match) => match.slice(1).map(Number));
  expect(pixels.length).toBeGreaterThan(300);
  for (const [index, value] of [0x40, 0x80, 0xc0].entries()) {
    const mean = pixels.reduce((sum, pixel) => sum + pixel[index]!, 0) / pixels.length;
    expect(Math.abs(mean - value)).toBeLessThan(6);
  }
  expect(await probeWith({ FORCE_COLOR: "2" })).toContain("\x1b[38;5;");
  const inSixteenColours = await probeWith({ FORCE_COLOR: "1" });
  expect(inSixteenColours).toContain("\x1b[1mhttps://example.org/\x1b[22m");
  expect(inSixteenColours).not.toContain("▀");
  for (const environment of [{}, { FORCE_COLOR: "0" }, { COLORTERM: "truecolor" }]) {
    expect(await probeWith(environment)).not.toContain("\x1b");
  }
});

// `script` of util-linux gives a program a terminal.
const noTerminals = spawnSync("script", ["--version"]).error !== undefined;

test.skipIf(requires("script", !noTerminals))("on a terminal, probe has colours unless NO_COLOR is set", async () => {
  const service = await startFakeService({ blurhash: blueHash, type: "image/jpeg", width: 640, height: 480 });
  const main = fileURLToPath(new URL("../../../dist/main.js", import.meta.url));
  const probeWith = async (environment: Record<string, string>): Promise<string> => {
    const command = `'${process.execPath}' '${main}' probe --server ${service} https://example.org/`;
    const child = spawn("script", ["-qec", command, "/dev/null"], {
      env: { PATH: process.env.PATH, TERM: "xterm-256color", ...environment },
      stdio: ["ignore", "pipe", "inherit"],
    });
    const printed = await text(child.stdout);
    expect(printed).toContain("image");
    return printed;
  };
  expect(await probeWith({})).toContain("\x1b[38;5;");
  expect(await probeWith({ COLORTERM: "truecolor" })).toContain("\x1b[38;2;");
  for (const environment of [{ NO_COLOR: "1" }, { TERM: "dumb" }]) {
    expect(await probeWith(environment)).not.toContain("\x1b");
  }
});

test.skipIf(requires("script", !noTerminals))(
  "probe --verbose logs for people on a terminal, and JSON into a pipe",
  async () => {
    const args = ["probe", "--verbose", "--json", "/dev/null", "http://127.0.0.1:9/"];
    const piped = await runProgram(args, allowed);
    const lines = piped.stderr
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line) as { code?: string; timings?: Record<string, number> });
    const { timings } = lines.find(({ code }) => code === "source_unreachable") ?? {};
    expect(Object.values(timings ?? {}).join(" ")).toMatch(/^\d+(\.\d\d?)?( \d+(\.\d\d?)?)*$/);
    const main = fileURLToPath(new URL("../../../dist/main.js", import.meta.url));
    const child = spawn("script", ["-qec", [process.execPath, main, ...args].join(" "), "/dev/null"], {
      env: {
        PATH: process.env.PATH,
        NO_COLOR: "1",
        MEDIA_ORACLE_ALLOW_ADDRESSES: "127.0.0.0/8",
        MEDIA_ORACLE_ALLOW_PORTS: "9",
      },
      stdio: ["ignore", "pipe", "inherit"],
    });
    expect(await text(child.stdout)).toMatch(/INFO \(\d+\): not described\r?\n +requestId/);
  },
);

test("probe --json prints the JSON of the API, one line per URL, failures included", async () => {
  const origin = await startPhoto();
  const urls = [`${origin}/a.jpg`, `${origin}/gone.jpg`, "ftp://example.org/"];
  const service = await startService(allowed);
  onTestFinished(async () => void (await service.stop()));
  const expected = await Promise.all(
    urls.map((url) =>
      fetch(`${service.url}/metadata?url=${encodeURIComponent(url)}`).then((response) => response.json()),
    ),
  );
  const { code, stdout, stderr } = await runProgram(["probe", "--json", ...urls], allowed);
  expect([code, stderr]).toEqual([1, ""]);
  const lines = stdout.trim().split("\n");
  expect(lines.map((line) => JSON.parse(line) as unknown)).toEqual(expected);
});

test("probe --xml prints the element of the stanza", async () => {
  const url = `${await startPhoto()}/a.jpg?x=1&y=2`;
  const { code, stdout } = await runProgram(["probe", "--xml", url], allowed);
  expect(code).toBe(0);
  expect(stdout.replace(/<blurhash>L[^<]{27}</, "<blurhash><")).toBe(
    `<x xmlns="jabber:x:oob">
  <url>${url.replace("&", "&amp;")}</url>
  <metadata xmlns="xmpp:prosody.im/protocol/media-metadata#0">
    <bytes>${photo.byteLength}</bytes>
    <type>image/jpeg</type>
    <blurhash></blurhash>
    <width>640</width>
    <height>480</height>
  </metadata>
</x>
`,
  );
});

test("probe without settings does not connect to a private address, and exits with 1", async () => {
  let connections = 0;
  const internal = createServer((socket) => {
    connections += 1;
    socket.destroy();
  }).listen(0, "127.0.0.1");
  await once(internal, "listening");
  onTestFinished(() => void internal.close());
  const { port } = internal.address() as AddressInfo;
  const url = `http://127.0.0.1:${port}/`;
  const { code, stdout, stderr } = await runProgram(["probe", "--allow-ports", "1-65535", url]);
  expect([code, stdout, connections]).toEqual([1, "", 0]);
  expect(stderr).toMatch(/could not be reached.*MEDIA_ORACLE_ALLOW_ADDRESSES/);
  // The operator may learn the reason; a caller of the service may not.
  const { stderr: verbose } = await runProgram(["probe", "--verbose", "--allow-ports", "1-65535", url]);
  expect(verbose).toContain('"reason":"address"');
});

test("probe names the cause for which an origin could not be reached; a service does not", async () => {
  const tls = await startTlsOrigin(onTestFinished, makeCertificates().selfSigned, (_request, response) =>
    response.end(),
  );
  const rude = await startRawOrigin(onTestFinished, (socket) => socket.once("data", () => socket.resetAndDestroy()));
  const redirecting = await startOrigin(onTestFinished, (_request, response) => {
    response.writeHead(302, { location: "ftp://a.example.org/" }).end();
  });
  const failing: [url: string, cause: string][] = [
    ["http://127.0.0.1:9/", "it refused the connection."],
    ["http://10.0.0.1/", "its address is private or denied, which MEDIA_ORACLE_ALLOW_ADDRESSES can change."],
    [tls.url("/"), "TLS failed, as with an invalid certificate (DEPTH_ZERO_SELF_SIGNED_CERT)."],
    [rude.url("/"), "it closed the connection without a response."],
    [redirecting.url("/"), "it redirects to a URL that is not supported (the scheme)."],
    ["http://127.0.0.1:9/", "it refused the connection."], // from the cache
  ];
  const urls = failing.map(([url]) => url);
  const { stderr } = await runProgram(["probe", ...urls], allowed);
  const lines = stderr.trim().split("\n");
  expect(lines).toHaveLength(failing.length);
  for (const [index, [url, cause]] of failing.entries()) {
    expect(lines[index]).toContain(`${url}: The origin could not be reached: ${cause}`);
  }
  const service = await startService(allowed);
  onTestFinished(async () => void (await service.stop()));
  const asked = await runProgram(["probe", "--server", service.url, ...urls], {});
  const advice = asked.stderr
    .trim()
    .split("\n")
    .map((line) => line.replace(/^\S+ /, ""));
  expect(new Set(advice).size).toBe(1);
  for (const cause of ["name does not exist", "refused", "TLS", "not public"]) expect(advice[0]).toContain(cause);
});

test("probe --server sends the token from the environment or a file", async () => {
  const folder = await mkdtemp(join(tmpdir(), "media-oracle-"));
  onTestFinished(() => rm(folder, { recursive: true }));
  await writeFile(join(folder, "token"), "open-sesame-please\n");
  const service = await startService({ ...allowed, TOKENS: "open-sesame-please" });
  onTestFinished(async () => void (await service.stop()));
  const args = [`--server=${service.url}`, "--json", `${await startPhoto()}/a.jpg`];
  const byVariable = await runProgram(["probe", ...args], { TOKEN: "open-sesame-please" });
  expect(byVariable.code).toBe(0);
  expect(JSON.parse(byVariable.stdout)).toMatchObject({ width: 640 });
  expect((await runProgram(["probe", ...args], { TOKEN_FILE: join(folder, "token") })).code).toBe(0);
  const refused = await runProgram(["probe", ...args], { TOKEN: "wrong" });
  expect([refused.code, refused.stdout]).toEqual([69, ""]);
  expect(refused.stderr).toContain("token");
});

test("probe --server exits with 69 if the server is down or not a media-oracle", async () => {
  const other = await startOrigin(onTestFinished, (_request, response) => response.end("<html>"));
  for (const server of ["http://127.0.0.1:9", other.url("")]) {
    const { code, stdout, stderr } = await runProgram(["probe", "--server", server, "https://example.org/a.jpg"]);
    expect([code, stdout]).toEqual([69, ""]);
    expect(stderr).toContain(server);
  }
});

test("probe strips control characters from the text of a hostile service", async () => {
  const service = await startFakeService({
    url: "https://example.org/\u001b[2J",
    type: "image/png\u0007",
    blurhash: "\u001b]0;title",
    filename: "\u009b31m",
  });
  const { stdout } = await runProgram(["probe", "--server", service, "https://example.org/"]);
  expect(stdout).toContain("image/png");
  // eslint-disable-next-line no-control-regex -- the test looks for control characters
  expect(stdout).not.toMatch(/[\x00-\x09\x0b-\x1f\x7f-\x9f]/);
});
