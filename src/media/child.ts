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
import type { DecodableName } from "./formats.ts";
import type { Look } from "./look.ts";
import { decodeRequest, requestBytes } from "./protocol.ts";

export interface ChildSettings {
  readonly formats: readonly DecodableName[];
}

// Memory of WebAssembly is given back only so, and would else be missing where the system limits it.
setFlagsFromString("--expose-gc");
const collectGarbage = runInNewContext("gc") as () => void;

const channel = 3;
const readChannel = promisify(read);
const settings = JSON.parse(process.argv[2] ?? "") as ChildSettings;

// A terminal or an init system tells the whole group: the parent finishes what is in flight, and then lets go.
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
  process.on(signal, () => {
    // not ours to obey
  });
}

try {
  const { createLook, warmUp } = await import("./look.ts");
  const look = await createLook(settings.formats);
  warmUp();
  say({ ready: true });
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
    const found = await look(request, body);
    say({ ...found, number: request.number, rssBytes: process.memoryUsage.rss() });
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

/** Straight into one buffer of the right size, and at once: nothing else is to be done before it is there. */
function receiveBody(bytes: number): Buffer {
  const body = Buffer.allocUnsafeSlow(bytes);
  for (let at = 0; at < bytes;) at += received({ bytesRead: readSync(channel, body, at, bytes - at, null) });
  return body;
}

/** The parent is gone, or wants no more, where nothing came. Not process.exit(): that waits for a decode under way, perhaps for minutes. */
function received({ bytesRead }: { bytesRead: number }): number {
  if (bytesRead === 0) process.kill(process.pid, "SIGKILL");
  return bytesRead;
}

function say(message: object): void {
  writeSync(channel, `${JSON.stringify(message)}\n`);
}
