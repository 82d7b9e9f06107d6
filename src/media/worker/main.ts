/**
 * The worker process: reads bodies from descriptor 3, one at a time, decodes them, and writes the answers there.
 *
 * Started only by `worker-process.ts`, in a sandbox, with the settings as its one argument. It holds no secrets that a
 * picture with an exploit could steal, and is killed rather than asked to stop.
 */
import { read, readSync, writeSync } from "node:fs";
import { promisify } from "node:util";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import type { Describe } from "./describe.ts";
import { type WorkerSettings, type Clip, decodeRequest, requestBytes } from "../protocol.ts";

// WebAssembly memory is freed only by garbage collection, and would otherwise exhaust the memory limit.
setFlagsFromString("--expose-gc");
const collectGarbage = runInNewContext("gc") as () => void;

// Reusable receive buffer for nearly all bodies: a new one for each costs page faults, and stays until it is collected.
// Untouched pages take no memory.
const receiveBuffer = Buffer.allocUnsafeSlow(8 * 1024 ** 2);

const noClip: Clip = { bytes: new Uint8Array(), container: "matroska", rotation: 0 };
const channel = 3;
const readChannel = promisify(read);
const settings = JSON.parse(process.argv[2] ?? "") as WorkerSettings;

// Silences the libraries: the parent closes stderr once the worker is ready.
for (const level of ["log", "info", "warn", "error", "debug"] as const) {
  console[level] = () => {
    // nothing to do
  };
}

// A terminal or an init system signals the whole process group: the parent finishes the pictures in flight first.
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
  process.on(signal, () => {
    // ignored: the parent handles it
  });
}

try {
  const { createDescribe, libvips, warmUp } = await import("./describe.ts");
  const describe = await createDescribe(settings);
  warmUp();
  writeLine({ libvips });
  await serveRequests(describe);
} catch (error) {
  writeLine({ fault: error instanceof Error ? error.message.slice(0, 800) : "unknown" });
}

/** Answers request after request; the parent sends the next one when it has the answer. */
async function serveRequests(describe: Describe): Promise<never> {
  let header = receiveHeader();
  for (;;) {
    const request = decodeRequest(await header);
    writeLine({ taken: request.number });
    const body = receiveBody(request.bytes);
    header = receiveHeader(); // already during the decode, to notice the end of the parent
    const { clip, ...result } = await describe(request, body);
    const { bytes, container, rotation } = clip ?? noClip;
    writeLine({
      ...result,
      container,
      rotation,
      number: request.number,
      clipBytes: bytes.byteLength,
      rssBytes: process.memoryUsage.rss(),
    });
    writeBytes(bytes);
    if (request.format.decoding && "reader" in request.format.decoding) collectGarbage();
  }
}

/** Reads a header asynchronously: it may not come for hours. */
async function receiveHeader(): Promise<Buffer> {
  const header = Buffer.alloc(requestBytes);
  for (let at = 0; at < header.length;)
    at += expectBytes(await readChannel(channel, header, at, header.length - at, null));
  return header;
}

/** Reads a body synchronously, since the worker has no other work. May overwrite the previous body. */
function receiveBody(bytes: number): Buffer {
  const body = bytes <= receiveBuffer.length ? receiveBuffer.subarray(0, bytes) : Buffer.allocUnsafeSlow(bytes);
  for (let at = 0; at < bytes;) at += expectBytes({ bytesRead: readSync(channel, body, at, bytes - at, null) });
  return body;
}

/**
 * Returns the number of bytes read; ends the worker at end of file. Not with process.exit(), which waits for a decode in
 * flight, perhaps for minutes.
 */
function expectBytes({ bytesRead }: { bytesRead: number }): number {
  if (bytesRead === 0) process.kill(process.pid, "SIGKILL");
  return bytesRead;
}

function writeLine(message: object): void {
  writeBytes(Buffer.from(`${JSON.stringify(message)}\n`));
}

/** Writes synchronously, until the kernel has accepted all bytes. */
function writeBytes(bytes: Uint8Array): void {
  for (let at = 0; at < bytes.byteLength;) at += writeSync(channel, bytes, at);
}
