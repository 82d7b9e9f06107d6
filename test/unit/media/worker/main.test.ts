import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Duplex, Readable } from "node:stream";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";
import { afterAll, beforeAll, expect, onTestFinished, test } from "vitest";
import { encodeRequest, type Operation } from "../../../../src/media/protocol.ts";
import { formatNamed } from "../../../support/decoder.ts";

const mebibyte = 1024 ** 2;
const folder = mkdtempSync(join(tmpdir(), "media-oracle-"));
const program = join(folder, "main.mjs");
afterAll(() => rmSync(folder, { recursive: true }));

// In the place of `describe.ts`: reports the request and the body. The body "hang" is never described; "film" has a clip.
const describer = `
  import { createHash } from "node:crypto";
  export const libvips = "8.18";
  export function warmUp() {}
  let previous;
  export async function createDescribe({ fault }) {
    if (fault) throw fault.isError ? new Error("x".repeat(fault.length)) : "a text";
    return async ({ operation, format, allowed }, body) => {
      for (const level of ["log", "info", "warn", "error", "debug"]) console[level]("noise");
      const start = body.toString("latin1", 0, 4);
      if (start === "hang") await new Promise(() => setInterval(() => undefined, 1000));
      const isCollected = previous ? previous.deref() === undefined : null;
      previous = new WeakRef({});
      await new Promise((resolve) => setImmediate(resolve));
      const clip = start === "film" ? { bytes: Buffer.alloc(300_000, 7), container: "ogg", rotation: 90 } : null;
      const sha256 = createHash("sha256").update(body).digest("hex");
      return { operation, format: format.name, allowed, bytes: body.length, sha256, isCollected, clip };
    };
  }`;

beforeAll(async () => {
  await build({
    entryPoints: [fileURLToPath(new URL("../../../../src/media/worker/main.ts", import.meta.url))],
    outfile: program,
    ...{ bundle: true, platform: "node", format: "esm", logLevel: "silent" },
    plugins: [
      {
        name: "describer",
        setup(bundler) {
          bundler.onLoad({ filter: /worker\/describe\.ts$/ }, () => ({ contents: describer, loader: "js" }));
        },
      },
    ],
  });
});

/** A worker process and its channel, which the test reads and writes itself. */
function start(settings: object = {}) {
  const child = spawn(process.execPath, ["--no-warnings", program, JSON.stringify(settings)], {
    stdio: ["ignore", "pipe", "pipe", "pipe"],
  });
  onTestFinished(() => void child.kill("SIGKILL"));
  const [, stdout, stderr, channel] = child.stdio as unknown as [null, Readable, Readable, Duplex];
  let output = "";
  for (const stream of [stdout, stderr]) stream.setEncoding("utf8").on("data", (text: string) => (output += text));
  const received = channel.setEncoding("latin1")[Symbol.asyncIterator]();
  let text = "";
  /** Reads until the text is long enough, or has a line. */
  async function read(bytes: number | "line"): Promise<string> {
    for (;;) {
      const end = bytes === "line" ? text.indexOf("\n") + 1 : bytes;
      if (bytes === "line" ? end > 0 : text.length >= end) {
        const found = text.slice(0, end);
        text = text.slice(end);
        return found;
      }
      const { value, done } = (await received.next()) as { value: string; done?: boolean };
      if (done) throw new Error("it ended");
      text += value;
    }
  }
  const readLine = async () => JSON.parse(await read("line")) as Record<string, unknown>;
  let number = 0;
  const request = (body: Uint8Array, format: "png" | "pdf" = "png", operation: Operation = "describe") => {
    number += 1;
    const allowed = { bytes: 5, milliseconds: 6 };
    return encodeRequest({ number, operation, format: formatNamed(format), bytes: body.length, allowed });
  };
  async function ask(body: Uint8Array, format?: "png" | "pdf", operation?: Operation) {
    channel.write(request(body, format, operation));
    channel.write(body);
    expect(await readLine()).toEqual({ taken: number });
    return readLine();
  }
  return { child, channel, ask, read, readLine, request, output: () => output };
}

const sha256 = (body: Uint8Array) => createHash("sha256").update(body).digest("hex");

test("a worker answers request after request, with bodies of any length", async () => {
  const { ask, readLine } = start();
  expect(await readLine()).toEqual({ libvips: "8.18" });
  const common = { allowed: { bytes: 5, milliseconds: 6 }, clipBytes: 0, container: "matroska", rotation: 0 };
  let number = 0;
  for (const bytes of [0, 1000, 8 * mebibyte, 8 * mebibyte + 1, 10]) {
    const body = Buffer.alloc(bytes, `${bytes} `);
    const { rssBytes, ...answer } = await ask(body, "pdf", "measure");
    number += 1;
    expect(answer).toMatchObject({
      ...common,
      number,
      operation: "measure",
      format: "pdf",
      bytes,
      sha256: sha256(body),
    });
    expect(rssBytes).toBeGreaterThan(10 * mebibyte);
  }
});

test("the clip follows the answer of a film", async () => {
  const { ask, read, readLine } = start();
  await readLine();
  const film = await ask(Buffer.from("film"));
  expect(film).toMatchObject({ number: 1, clipBytes: 300_000, container: "ogg", rotation: 90 });
  expect(film).not.toHaveProperty("clip");
  expect(await read(300_000)).toBe("\x07".repeat(300_000));
  expect(await ask(Buffer.from("next"))).toMatchObject({ number: 2, clipBytes: 0 });
});

test("a request and its body may come in pieces", async () => {
  const { channel, readLine, request } = start();
  await readLine();
  const body = Buffer.from("abcdef");
  const header = request(body);
  channel.write(header.subarray(0, 20));
  await new Promise((resolve) => setTimeout(resolve, 20));
  channel.write(header.subarray(20));
  expect(await readLine()).toEqual({ taken: 1 });
  channel.write(body.subarray(0, 2));
  await new Promise((resolve) => setTimeout(resolve, 20));
  channel.write(body.subarray(2));
  expect(await readLine()).toMatchObject({ bytes: 6, sha256: sha256(body) });
});

test("a worker frees the memory of a library after each file", async () => {
  const { ask, readLine } = start();
  await readLine();
  expect(await ask(Buffer.from("a"), "pdf")).toMatchObject({ isCollected: null });
  expect(await ask(Buffer.from("b"), "pdf")).toMatchObject({ isCollected: true });
});

test.each([
  ["an error of 800 characters", { isError: true, length: 800 }, "x".repeat(800)],
  ["an error of 801 characters", { isError: true, length: 801 }, "x".repeat(800)],
  ["no error", { isError: false }, "unknown"],
])("a worker that cannot start reports the reason, at most 800 characters: %s", async (_, fault, reason) => {
  expect(await start({ fault }).readLine()).toEqual({ fault: reason });
});

test("a worker ignores the signals of a terminal or an init system, and its libraries print nothing", async () => {
  const { ask, child, readLine, output } = start();
  await readLine();
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
    child.kill(signal);
    expect(await ask(Buffer.from(signal))).toMatchObject({ sha256: sha256(Buffer.from(signal)) });
  }
  expect(output()).toBe("");
});

test.each([
  ["while it waits for a request", null],
  ["during a decode", "hang"],
])("a worker ends when its parent closes the channel %s", async (_, body) => {
  const { channel, child, readLine, request } = start();
  await readLine();
  if (body !== null) {
    channel.write(request(Buffer.from(body)));
    channel.write(body);
    await readLine();
  }
  channel.destroy();
  expect(await once(child, "exit")).toEqual([null, "SIGKILL"]);
});
