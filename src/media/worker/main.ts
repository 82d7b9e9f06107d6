/**
 * A decoder process: reads bodies from descriptor 3, one at a time, and answers there with what their pixels tell.
 *
 * Started by `process.ts` only, with the settings as its one argument. It holds nothing that a picture which takes it over could
 * steal, and is killed rather than asked to stop.
 */
import { read, readSync, writeSync } from "node:fs";
import { promisify } from "node:util";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import type { DecodableName } from "../formats/index.ts";
import type { Look } from "./describe.ts";
import { decodeRequest, requestBytes } from "../protocol.ts";
import type { Clip } from "./reader.ts";

export interface ChildSettings {
  readonly formats: readonly DecodableName[];
  /** Whether somebody takes clips of videos. */
  readonly clips: boolean;
}

// Memory of WebAssembly is given back only so, and would else be missing where the system limits it.
setFlagsFromString("--expose-gc");
const collectGarbage = runInNewContext("gc") as () => void;

// Where nearly all bodies are received: fresh memory for each is faulted in page by page, and stays until it is collected.
// What was never written to takes none.
const room = Buffer.allocUnsafeSlow(8 * 1024 ** 2);

const noClip: Clip = { bytes: new Uint8Array(), container: "matroska", rotation: 0 };
const channel = 3;
const readChannel = promisify(read);
const settings = JSON.parse(process.argv[2] ?? "") as ChildSettings;

// What libraries print nobody reads: the parent closes the way there once a process is ready.
for (const level of ["log", "info", "warn", "error", "debug"] as const) {
  console[level] = () => {
    // nothing to do
  };
}

// A terminal or an init system tells the whole group: the parent finishes what is in flight, and then lets go.
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
  process.on(signal, () => {
    // not ours to obey
  });
}

try {
  const { createLook, libvips, warmUp } = await import("./describe.ts");
  const look = await createLook(settings);
  warmUp();
  say({ libvips });
  await serve(look);
} catch (error) {
  say({ fault: error instanceof Error ? error.message.slice(0, 800) : "unknown" });
}

/** Answers request after request; the parent sends the next one when it has the answer. */
async function serve(look: Look): Promise<never> {
  let header = receiveHeader();
  for (;;) {
    const request = decodeRequest(await header);
    say({ taken: request.number });
    const body = receiveBody(request.bytes);
    header = receiveHeader(); // waits already while a picture is decoded: so it is seen that the parent is gone
    const { clip, ...found } = await look(request, body);
    const { bytes, ...about } = clip ?? noClip;
    say({
      ...found,
      ...about,
      number: request.number,
      clipBytes: bytes.byteLength,
      rssBytes: process.memoryUsage.rss(),
    });
    send(bytes);
    if (request.format.decoding && "load" in request.format.decoding) collectGarbage();
  }
}

/** Waits beside whatever else is done: for a header, which may not come for hours. */
async function receiveHeader(): Promise<Buffer> {
  const header = Buffer.alloc(requestBytes);
  for (let at = 0; at < header.length;)
    at += received(await readChannel(channel, header, at, header.length - at, null));
  return header;
}

/** At once: nothing else is to be done before it is there. Of the last one nothing is needed any more. */
function receiveBody(bytes: number): Buffer {
  const body = bytes <= room.length ? room.subarray(0, bytes) : Buffer.allocUnsafeSlow(bytes);
  for (let at = 0; at < bytes;) at += received({ bytesRead: readSync(channel, body, at, bytes - at, null) });
  return body;
}

/** The parent is gone, or wants no more, where nothing came. Not process.exit(): that waits for a decode under way, perhaps for minutes. */
function received({ bytesRead }: { bytesRead: number }): number {
  if (bytesRead === 0) process.kill(process.pid, "SIGKILL");
  return bytesRead;
}

function say(message: object): void {
  send(Buffer.from(`${JSON.stringify(message)}\n`));
}

/** Waits until the kernel has taken all of it. */
function send(bytes: Uint8Array): void {
  for (let at = 0; at < bytes.byteLength;) at += writeSync(channel, bytes, at);
}
