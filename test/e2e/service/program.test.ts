import { type AddressInfo, createServer } from "node:net";
import { once } from "node:events";
import { writeFile, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import sharp from "sharp";
import { formatNamed } from "../../support/decoder.ts";
import { heads } from "../../support/heads.ts";
import { startOrigin } from "../../support/origin.ts";
import { type Service, runProgram, startService } from "../../support/service.ts";

const photo = await sharp({ create: { width: 640, height: 480, channels: 3, background: "#4080c0" } })
  .jpeg()
  .toBuffer();

let service: Service; // allows only the tests' origins; each test has its own URLs

beforeAll(async () => {
  service = await startService({ ALLOW_ADDRESSES: "127.0.0.0/8", ALLOW_PORTS: "1-65535" });
});

afterAll(async () => {
  await service.stop();
});

async function start(settings: Record<string, string> = {}): Promise<Service> {
  const service = await startService({ ALLOW_ADDRESSES: "127.0.0.0/8", ALLOW_PORTS: "1-65535", ...settings });
  onTestFinished(async () => {
    await service.stop();
  });
  return service;
}

function ask(service: Service, body: object, headers: Record<string, string> = {}): Promise<Response> {
  return fetch(`${service.url}/metadata`, {
    method: "POST",
    headers: { "content-type": "application/json", ...headers },
    body: JSON.stringify(body),
  });
}

describe("a picture", () => {
  test("a picture is described with every key of the contract", async () => {
    const origin = await startOrigin(onTestFinished, (_request, response) => {
      response.writeHead(200, { "content-type": "image/jpeg", "content-length": photo.byteLength }).end(photo);
    });
    const url = origin.url("/a/summit.jpg");
    const reply = await ask(service, { url: `${url}#fragment` });
    expect(reply.status).toBe(200);
    expect(await reply.json()).toEqual({
      url,
      bytes: photo.byteLength,
      bytesSource: "counted",
      type: "image/jpeg",
      blurhash: expect.stringMatching(/^.{28}$/),
      width: 640,
      height: 480,
      thumbhash: expect.stringMatching(/^[A-Za-z0-9+/]+=*$/),
      thumbnail: expect.stringMatching(/^data:image\/png;base64,[A-Za-z0-9+/]+=*$/),
      animated: false,
      durationMs: null,
      sha256: expect.stringMatching(/^[0-9a-f]{64}$/),
      filename: "summit.jpg",
      partial: false,
      warnings: [],
    });
    expect(reply.headers.get("cache-status")).toMatch(/fwd=miss/);
    const again = await ask(service, { url });
    expect(again.headers.get("cache-status")).toMatch(/; ?hit/);
  });

  test("GET returns the same description of a picture as POST", async () => {
    const origin = await startOrigin(onTestFinished, (_request, response) => response.end(photo));
    const url = origin.url("/a.jpg");
    const posted = await (await ask(service, { url })).json();
    const got = await fetch(`${service.url}/metadata?url=${encodeURIComponent(url)}&deadlineMs=5000&fields=bytes,type`);
    expect(await got.json()).toEqual(posted);
  });

  test("a picture is looked up once for a hundred concurrent callers", async () => {
    const origin = await startOrigin(onTestFinished, (_request, response) => {
      setTimeout(() => response.end(photo), 300);
    });
    const url = origin.url("/shared.jpg");
    const replies = await Promise.all(Array.from({ length: 100 }, () => ask(service, { url })));
    expect(new Set(replies.map(({ status }) => status))).toEqual(new Set([200]));
    expect(origin.requests).toBe(1);
  });

  test("a slow picture is described in part at the deadline, and completely afterwards", async () => {
    const gate = withResolvers();
    const origin = await startOrigin(onTestFinished, (_request, response) => {
      response.writeHead(200, { "content-type": "image/jpeg", "content-length": photo.byteLength });
      response.write(photo.subarray(0, 200));
      void gate.promise.then(() => response.end(photo.subarray(200)));
    });
    const url = origin.url("/slow.jpg");
    const patient = ask(service, { url });
    const hasty = await ask(service, { url, deadlineMs: 300 });
    expect(hasty.status).toBe(200);
    expect(await hasty.json()).toMatchObject({
      partial: true,
      bytes: photo.byteLength,
      bytesSource: "declared",
      blurhash: null,
    });
    gate.resolve();
    expect(await (await patient).json()).toMatchObject({ partial: false, width: 640, bytesSource: "counted" });
  });

  test("a picture with a silent origin is a retryable 504 at the deadline", async () => {
    const origin = await startOrigin(onTestFinished, () => undefined);
    const reply = await ask(service, { url: origin.url("/silent.jpg"), deadlineMs: 100 });
    expect(reply.status).toBe(504);
    expect(await reply.json()).toMatchObject({ code: "deadline_exceeded", retryable: true, status: 504 });
  });
});

function withResolvers() {
  let resolve!: () => void;
  const promise = new Promise<void>((done) => (resolve = done));
  return { promise, resolve };
}

describe("a response without a picture", () => {
  const ciphertext = Buffer.from(Array.from({ length: 5000 }, (_, index) => (index * 7919 + 131) % 251));

  test.each<[string, Buffer, string | null, string, readonly string[]]>([
    ["ciphertext", ciphertext, null, "application/octet-stream", []],
    ["a sound without a signature", ciphertext, "audio/x-own", "audio/x-own", []],
    ["ciphertext declared as a picture", ciphertext, "image/jpeg", "application/octet-stream", ["type_mismatch"]],
    ["an archive", heads.docx, null, formatNamed("docx").type, []],
    ["a font", heads.ttf, "font/ttf", "font/ttf", []],
    ["an empty body", Buffer.alloc(0), null, "application/octet-stream", []],
    [
      "an empty body declared as a picture",
      Buffer.alloc(0),
      "image/png",
      "application/octet-stream",
      ["type_mismatch"],
    ],
    ["an empty body declared as a sound without a signature", Buffer.alloc(0), "audio/x-own", "audio/x-own", []],
    ["one unknown byte", Buffer.from([0x93]), null, "application/octet-stream", []],
    [
      "one unknown byte declared as a picture",
      Buffer.from([0x93]),
      "image/png",
      "application/octet-stream",
      ["type_mismatch"],
    ],
    ["a text", Buffer.from("hello"), null, "text/plain", []],
  ])(
    "%s, which is not decoded, has bytes and type without decode_failed",
    async (_, body, declared, type, warnings) => {
      const origin = await startOrigin(onTestFinished, (_request, response) => {
        if (declared !== null) response.setHeader("content-type", declared);
        response.end(body);
      });
      const reply = await ask(service, { url: origin.url("/secret") });
      expect(reply.status).toBe(200);
      expect(await reply.json()).toMatchObject({ type, bytes: body.length, blurhash: null, width: null, warnings });
    },
  );

  test.each([
    ["signature alone", 8],
    ["header alone", 33],
  ])("a PNG of its %s, which cannot be decoded, has the warning decode_failed", async (_, bytes) => {
    const body = (await sharp(photo).png().toBuffer()).subarray(0, bytes);
    const origin = await startOrigin(onTestFinished, (_request, response) => response.end(body));
    const reply = await ask(service, { url: origin.url("/broken.png") });
    expect(await reply.json()).toMatchObject({ type: "image/png", blurhash: null, warnings: ["decode_failed"] });
  });

  test("an error status of the origin is reported in a 502, never as the service's own status", async () => {
    const origin = await startOrigin(onTestFinished, (_request, response) => response.writeHead(404).end("gone"));
    const reply = await ask(service, { url: origin.url("/gone.jpg") });
    expect(reply.status).toBe(502);
    expect(reply.headers.get("content-type")).toMatch(/^application\/problem\+json/);
    expect(await reply.json()).toMatchObject({ code: "source_status", upstreamStatus: 404, retryable: false });
  });

  test("the service survives ten 404 responses with a 70 kB body and a closed connection", async () => {
    const origin = await startOrigin(onTestFinished, (_request, response) => {
      response.writeHead(404, { "content-length": 70_000, connection: "close" });
      response.end(Buffer.alloc(70_000), () => response.socket?.destroy());
    });
    for (let time = 0; time < 10; time += 1) {
      expect((await ask(service, { url: origin.url(`/${time}`) })).status).toBe(502);
    }
    expect((await fetch(`${service.url}/healthz`)).status).toBe(200);
    expect(service.process.exitCode).toBeNull();
  });

  test("an address that is not public gets the same response as a host that is down", async () => {
    const service = await startService({ ALLOW_PORTS: "1-65535" });
    onTestFinished(async () => {
      await service.stop();
    });
    let connections = 0;
    const inside = createServer((socket) => {
      connections += 1;
      socket.destroy();
    }).listen(0, "127.0.0.1");
    await once(inside, "listening");
    onTestFinished(() => void inside.close());
    const { port } = inside.address() as AddressInfo;
    const refused = await ask(service, { url: `http://127.0.0.1:${port}/` });
    const unknown = await ask(service, { url: "http://no-such-name.example-cdn.net/" });
    expect([refused.status, await refused.text()]).toEqual([unknown.status, await unknown.text()]);
    expect(refused.headers.get("cache-control")).toBe(unknown.headers.get("cache-control"));
    expect(connections).toBe(0);
  });
});

describe("the program", () => {
  test("the program reports every fault of its settings at once, and exits with 78", async () => {
    const { code, stderr } = await runProgram([], { PORT: "x", TYPO: "1", DECODERS: "0" });
    expect(code).toBe(78);
    for (const word of ["MEDIA_ORACLE_PORT", "MEDIA_ORACLE_TYPO", "MEDIA_ORACLE_DECODERS"])
      expect(stderr).toContain(word);
  });

  test("the program accepts its settings as flags too", async () => {
    const { code, stderr } = await runProgram(["serve", "--fetch-timeout-ms", "soon"]);
    expect(code).toBe(78);
    expect(stderr).toContain("--fetch-timeout-ms must be a whole number");
  });

  test("the program refuses to listen on all addresses without tokens", async () => {
    const { code, stderr } = await runProgram([], { HOST: "0.0.0.0" });
    expect(code).toBe(78);
    expect(stderr).toContain("MEDIA_ORACLE_TOKENS");
  });

  test("the health command reports whether the service is healthy", async () => {
    const service = await start();
    const { port } = new URL(service.url);
    expect((await runProgram(["health"], { PORT: port })).code).toBe(0);
    await service.stop();
    expect((await runProgram(["health"], { PORT: port })).code).toBe(1);
  });

  test("the program reads tokens from a file, accepts only these, and never prints them", async () => {
    const folder = await mkdtemp(join(tmpdir(), "media-oracle-"));
    onTestFinished(() => rm(folder, { recursive: true }));
    await writeFile(join(folder, "tokens"), "first-secret-text\nsecond-secret-text\n");
    const service = await start({ TOKENS_FILE: join(folder, "tokens") });
    expect((await ask(service, { url: "https://example.com/" })).status).toBe(401);
    expect((await fetch(`${service.url}/metrics`)).status).toBe(401);
    const reply = await ask(service, { url: "http://localhost/" }, { authorization: "Bearer second-secret-text" });
    expect(reply.status).toBe(400);
    expect((await fetch(`${service.url}/healthz`)).status).toBe(200);
    expect(service.output()).not.toMatch(/first-secret-text|second-secret-text/);
  });

  test("the program finishes the requests in flight on SIGTERM, ends its children, and exits with 0", async () => {
    const gate = withResolvers();
    const origin = await startOrigin(onTestFinished, (_request, response) => {
      void gate.promise.then(() => response.end(photo));
    });
    const service = await start();
    const pending = ask(service, { url: origin.url("/a.jpg") });
    while (origin.requests === 0) await new Promise((resolve) => setTimeout(resolve, 10));
    const stopped = service.stop();
    setTimeout(gate.resolve, 200);
    expect((await pending).status).toBe(200);
    expect(await stopped).toBe(0);
  });

  test("the program exits by MEDIA_ORACLE_SHUTDOWN_MS even if a request does not end", async () => {
    const origin = await startOrigin(onTestFinished, () => undefined);
    const service = await start({ SHUTDOWN_MS: "300" });
    const pending = ask(service, { url: origin.url("/never.jpg") }).catch(() => null);
    while (origin.requests === 0) await new Promise((resolve) => setTimeout(resolve, 10));
    const began = performance.now();
    await service.stop();
    expect(performance.now() - began).toBeLessThan(10_000); // the default
    expect(await pending).toBeNull();
  });

  test.for([
    ["an uncaught exception", (text: string) => `new URL(${text})`],
    ["an unhandled rejection", (text: string) => `Promise.reject(new Error(${text}, { cause: new Error(${text}) }))`],
  ] as const)("logs the type and the place of %s, never its message, and exits with 1", async ([, thrower]) => {
    const folder = await mkdtemp(join(tmpdir(), "media-oracle-"));
    onTestFinished(() => rm(folder, { recursive: true }));
    const preloaded = join(folder, "fail.mjs");
    const planted = JSON.stringify("https:// planted-host.example.org/planted-path?planted-query");
    await writeFile(
      preloaded,
      `function fail() { ${thrower(planted)}; }\nprocess.on("SIGWINCH", () => setImmediate(fail));`,
    );
    const service = await startService({ LOG_LEVEL: "trace" }, { NODE_OPTIONS: `--import=${preloaded}` });
    service.process.kill("SIGWINCH");
    const [code] = (await once(service.process, "close")) as [number | null];
    expect(code).toBe(1);
    expect(service.output()).not.toContain("planted");
    const line = service
      .output()
      .split("\n")
      .find((line) => line.includes("uncaught exception, shutting down"));
    const logged = JSON.parse(line!) as { level: number; error: { name: string; at: string[] }[] };
    expect(logged.level).toBe(60);
    expect(logged.error[0]!.name).toMatch(/^(NodeError|TypeError|Error)$/);
    expect(logged.error[0]!.at).toContainEqual(expect.stringMatching(/^at .*fail\.mjs:1:\d+/));
  });

  test("the program logs the host and a hash of a URL, never its path, query or fragment", async () => {
    const origin = await startOrigin(onTestFinished, (_request, response) => response.end(photo));
    const service = await start({ LOG_LEVEL: "trace" });
    const planted = ["capability-in-path", "capability-in-query", "key-in-fragment"];
    const url = origin.url(`/${planted[0]}/a.jpg?token=${planted[1]}#${planted[2]}`);
    await ask(service, { url });
    await ask(service, { url });
    await ask(service, { url: `http://user:planted-password@example.com/` });
    await expect.poll(() => service.output()).toContain("127.0.0.1");
    for (const word of [...planted, "planted-password"]) expect(service.output()).not.toContain(word);
    expect(await (await fetch(`${service.url}/metrics`)).text()).not.toMatch(/127\.0\.0\.1|capability/);
  });
});
