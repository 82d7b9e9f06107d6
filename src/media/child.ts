/**
 * A decoder process: reads bodies from descriptor 3, one at a time, and answers there with what their pixels tell.
 *
 * Started by `process.ts` only, with the settings as its one argument. It holds nothing that a picture which takes it over could
 * steal, and is killed rather than asked to stop.
 */
import { read, readSync, writeSync } from "node:fs";
import { promisify } from "node:util";
import { rgbaToBlurhash } from "./blurhash.ts";
import type { DecodableName, Decoding } from "./formats.ts";
import { onWhite, shrink } from "./pixels.ts";
import { type Answer, type Request, decodeRequest, requestBytes } from "./protocol.ts";
import type { Rasters, Reader } from "./raster.ts";
import { rgbaToThumbhash } from "./thumbhash.ts";

export interface ChildSettings {
  readonly formats: readonly DecodableName[];
}

const channel = 3;
const readChannel = promisify(read);
const components = { x: 4, y: 3 };
const settings = JSON.parse(process.argv[2] ?? "") as ChildSettings;

// A terminal or an init system tells the whole group: the parent finishes what is in flight, and then lets go.
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
  process.on(signal, () => {
    // not ours to obey
  });
}

try {
  const { createReader } = await import("./raster.ts");
  const reader = await createReader(settings.formats);
  warmUp();
  say({ ready: true });
  await serve(reader);
} catch (error) {
  say({ fault: error instanceof Error ? error.message.slice(0, 800) : "unknown" });
}

/** Answers request after request; the parent sends the next one when it has the answer. */
async function serve(reader: Reader): Promise<never> {
  let header = receiveHeader();
  for (;;) {
    const request = decodeRequest(await header);
    say({ taken: request.number });
    const body = receiveBody(request.bytes);
    header = receiveHeader(); // waits already while a picture is decoded: so it is seen that the parent is gone
    say(await answer(reader, request, body));
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

async function answer(reader: Reader, request: Request, body: Uint8Array): Promise<Answer> {
  const { number, format } = request;
  const nothing = { width: null, height: null, animated: null, blurhash: null, thumbhash: null };
  const { decoding } = format;
  const found = decoding && (await look(reader, decoding, request, decoding.strip?.(body) ?? body));
  return {
    ...nothing,
    expectedBytes: 0,
    expectedMs: 0,
    ...(found ?? { warning: null, decodeMs: 0, hashMs: 0 }),
    number,
    rssBytes: process.memoryUsage.rss(),
  };
}

type Found = Partial<Answer> & Pick<Answer, "warning" | "decodeMs" | "hashMs">;

async function look(
  reader: Reader,
  decoding: Decoding,
  { operation, allowed }: Request,
  body: Uint8Array,
): Promise<Found> {
  const began = performance.now();
  const spent = () => ({ decodeMs: performance.now() - began, hashMs: 0 });
  const measured = await reader.measure(body, decoding);
  if (!measured) {
    const size = decoding.readSize?.(body);
    return { ...size, warning: size && operation === "measure" ? null : "decode_failed", ...spent() };
  }
  const { width, height, animated, cost } = measured;
  const expected = { expectedBytes: Math.ceil(cost.bytes), expectedMs: Math.ceil(cost.milliseconds) };
  const known = { width, height, animated, ...expected };
  if (operation === "measure") return { ...known, warning: null, ...spent() };
  if (cost.bytes > allowed.bytes || cost.milliseconds > allowed.milliseconds) {
    return { ...known, warning: "too_many_pixels", ...spent() };
  }
  const rasters = await reader.readRasters(body, measured);
  const { decodeMs } = spent();
  if (!rasters) return { ...known, warning: "decode_failed", decodeMs, hashMs: 0 };
  const hashes = hash(rasters);
  const hashMs = performance.now() - began - decodeMs;
  return { ...known, ...hashes, warning: null, decodeMs, hashMs };
}

function hash({ blurhash, thumbhash }: Rasters): { blurhash: string; thumbhash: string } {
  const bytes = rgbaToThumbhash(thumbhash.width, thumbhash.height, thumbhash.rgba);
  return {
    blurhash: rgbaToBlurhash(blurhash.width, blurhash.height, blurhash.rgba, components),
    thumbhash: Buffer.from(bytes).toString("base64"),
  };
}

/** Until the engine has compiled them, the hashes of the first picture take 90 ms instead of 2. */
function warmUp(): void {
  const raster = (side: number) => ({
    width: side,
    height: side,
    rgba: Uint8Array.from({ length: side * side * 4 }, (_, at) => (at * 7919) % 256),
  });
  for (let round = 0; round < 4; round += 1)
    hash({ blurhash: onWhite(raster(128)), thumbhash: shrink(raster(128), raster(100)) });
}
