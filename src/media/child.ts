/**
 * A decoder process: reads bodies from descriptor 3, one at a time, and answers there with what their pixels tell.
 *
 * Started by `process.ts` only, with the settings as its one argument. It holds nothing that a picture which takes it over could
 * steal, and is killed rather than asked to stop.
 */
import { Socket } from "node:net";
import type { DecodableName, Decoding } from "./formats.ts";
import { rgbaToBlurhash } from "./blurhash.ts";
import { type Answer, type Request, decodeRequest, requestBytes } from "./protocol.ts";
import type { Reader } from "./raster.ts";
import { rgbaToThumbhash } from "./thumbhash.ts";

export interface ChildSettings {
  readonly formats: readonly DecodableName[];
  /** Memory that one decode may be expected to take. */
  readonly maxDecodeBytes: number;
}

const components = { x: 4, y: 3 };
const settings = JSON.parse(process.argv[2] ?? "") as ChildSettings;
const channel = new Socket({ fd: 3, readable: true, writable: true });

// Not process.exit(): that waits for a decode under way, which may take minutes.
const die = () => process.kill(process.pid, "SIGKILL");
channel.once("end", die).once("close", die).on("error", die); // the parent is gone, or wants no more
// A terminal or an init system tells the whole group: the parent finishes what is in flight, and then lets go.
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
  process.on(signal, () => {
    // not ours to obey
  });
}

try {
  const { createReader } = await import("./raster.ts");
  serve(await createReader(settings.formats));
} catch (error) {
  const fault = error instanceof Error ? error.message.slice(0, 800) : "unknown";
  channel.end(`${JSON.stringify({ fault })}\n`, die);
}

/** Answers request after request; the parent sends the next one when it has the answer. */
function serve(reader: Reader): void {
  let header = Buffer.alloc(0);
  let request: Request | null = null;
  let body = Buffer.alloc(0);
  let received = 0;
  channel.on("data", (chunk: Buffer) => {
    let at = 0;
    if (!request) {
      const missing = requestBytes - header.length;
      header = Buffer.concat([header, chunk.subarray(0, missing)]);
      if (header.length < requestBytes) return;
      at = missing;
      request = decodeRequest(header);
      body = Buffer.allocUnsafeSlow(request.bytes); // whole at once: nothing is copied twice
      received = 0;
    }
    received += chunk.copy(body, received, at);
    if (received < request.bytes) return;
    const whole = { request, body };
    [header, request, body] = [Buffer.alloc(0), null, Buffer.alloc(0)];
    void answer(reader, whole.request, whole.body).then((reply) => channel.write(`${JSON.stringify(reply)}\n`));
  });
  channel.write(`${JSON.stringify({ ready: true })}\n`);
}

async function answer(reader: Reader, { number, operation, format }: Request, body: Uint8Array): Promise<Answer> {
  const began = performance.now();
  const nothing = { width: null, height: null, animated: null, blurhash: null, thumbhash: null };
  const found = format.decoding && (await look(reader, format.decoding, operation, body, began));
  return {
    ...nothing,
    ...(found ?? { warning: null, decodeMs: 0, hashMs: 0 }),
    number,
    rssBytes: process.memoryUsage.rss(),
  };
}

type Found = Partial<Answer> & Pick<Answer, "warning" | "decodeMs" | "hashMs">;

async function look(
  reader: Reader,
  decoding: Decoding,
  operation: Request["operation"],
  body: Uint8Array,
  began: number,
): Promise<Found> {
  const spent = () => ({ decodeMs: performance.now() - began, hashMs: 0 });
  const measured = await reader.measure(body, decoding);
  if (!measured) return { ...decoding.readSize?.(body), warning: "decode_failed", ...spent() };
  const { width, height, animated, decodeBytes } = measured;
  if (operation === "measure") return { width, height, animated, warning: null, ...spent() };
  if (decodeBytes > settings.maxDecodeBytes) {
    return { width, height, animated, warning: "too_many_pixels", ...spent() };
  }
  const rasters = await reader.readRasters(body, measured);
  const { decodeMs } = spent();
  if (!rasters) return { width, height, animated, warning: "decode_failed", decodeMs, hashMs: 0 };
  const blurhash = rgbaToBlurhash(rasters.blurhash.width, rasters.blurhash.height, rasters.blurhash.rgba, components);
  const { thumbhash: small } = rasters;
  const thumbhash = Buffer.from(rgbaToThumbhash(small.width, small.height, small.rgba)).toString("base64");
  const hashMs = performance.now() - began - decodeMs;
  return { width, height, animated, blurhash, thumbhash, warning: null, decodeMs, hashMs };
}
