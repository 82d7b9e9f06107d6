/**
 * An origin on loopback that behaves like one behind a network: round trips before the first byte, and a bandwidth limit for
 * each connection. There is no TLS, no slow start and no loss.
 */
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo, Socket } from "node:net";
import { setTimeout as after } from "node:timers/promises";
import { type Representation, selectRange } from "./byte-ranges.ts";

export interface Shape {
  readonly roundTripMs: number;
  readonly bytesPerSecond: number;
}

export interface ServedFile {
  readonly path: string;
  readonly type: string;
}

/** Requests and bytes of bodies, by path and query of the URL. */
export type PathCounts = Readonly<Record<string, { readonly requests: number; readonly bytes: number }>>;

export interface ShapedOrigin {
  /** One port for each file: the service treats each port as another host. */
  readonly ports: readonly number[];
  /** Waits until no response is being sent. */
  counts(): Promise<PathCounts>;
  stop(): Promise<void>;
}

const tickMs = 5;
// Bucket depth: a busy machine wakes the timer late, and the rate must not suffer. A reader that pauses for longer gets no
// more than this at once.
const bucketMs = 100;
const idlePollMs = 20;

/** Starts an origin with one server for each file, which it serves under every path. */
export async function startShapedOrigin(files: readonly ServedFile[], shape: Shape): Promise<ShapedOrigin> {
  const counts: Record<string, { requests: number; bytes: number }> = {};
  const greeted = new WeakSet<Socket>();
  let active = 0;

  async function respond(file: ServedFile, body: Buffer, request: IncomingMessage, response: ServerResponse) {
    const count = (counts[request.url!] ??= { requests: 0, bytes: 0 });
    count.requests += 1;
    // Loopback connects at once: a new connection waits here for its TCP handshake too.
    const roundTrips = greeted.has(request.socket) ? 1 : 2;
    greeted.add(request.socket);
    await after(roundTrips * shape.roundTripMs);
    const representation = represent(body);
    const { etag, lastModified } = representation;
    const headers = { etag, "last-modified": lastModified, "accept-ranges": "bytes", "content-type": file.type };
    const range = selectRange(request.headers, representation);
    if (range.status === 416) {
      return void response.writeHead(416, { ...headers, "content-range": `bytes */${body.byteLength}` }).end();
    }
    const { status, from, to } = range;
    const partial = status === 206 ? { "content-range": `bytes ${from}-${to - 1}/${body.byteLength}` } : {};
    response.writeHead(status, { ...headers, ...partial, "content-length": to - from });
    response.flushHeaders();
    await sendShaped(response, body.subarray(from, to), shape.bytesPerSecond, (bytes) => (count.bytes += bytes));
  }

  const servers = files.map((file) => {
    const body = readFileSync(file.path);
    const server = createServer((request, response) => {
      active += 1;
      response.on("close", () => (active -= 1));
      void respond(file, body, request, response);
    });
    return server.listen(0, "127.0.0.1");
  });
  await Promise.all(servers.map((server) => once(server, "listening")));
  return {
    ports: servers.map((server) => (server.address() as AddressInfo).port),
    async counts() {
      while (active > 0) await after(idlePollMs);
      return counts;
    },
    async stop() {
      const closed = servers.map((server) => once(server, "close"));
      for (const server of servers) {
        server.close();
        server.closeAllConnections();
      }
      await Promise.all(closed);
    },
  };
}

function represent({ byteLength }: Buffer): Representation {
  const lastModified = new Date("2026-01-01T00:00:00Z").toUTCString();
  return { bytes: byteLength, etag: `"${byteLength.toString(16)}"`, lastModified };
}

/**
 * Sends a body through a token bucket. It starts empty; nothing is sent ahead of a reader that does not read.
 *
 * @param onSent receives the number of bytes that the kernel has taken
 */
async function sendShaped(
  response: ServerResponse,
  body: Buffer,
  bytesPerSecond: number,
  onSent: (bytes: number) => void,
): Promise<void> {
  const bucketBytes = (bytesPerSecond * bucketMs) / 1000;
  let tokens = 0;
  let sent = 0;
  let refilledAt = performance.now();
  while (sent < body.byteLength) {
    await after(tickMs);
    if (response.destroyed) return;
    const now = performance.now();
    tokens = Math.min(bucketBytes, tokens + ((now - refilledAt) / 1000) * bytesPerSecond);
    refilledAt = now;
    const chunk = body.subarray(sent, sent + Math.floor(tokens));
    if (chunk.byteLength === 0) continue;
    if (!(await write(response, chunk))) return;
    onSent(chunk.byteLength);
    tokens -= chunk.byteLength;
    sent += chunk.byteLength;
  }
  response.end();
}

/** Resolves when the kernel has taken the chunk; with false if the connection was closed before. */
function write(response: ServerResponse, chunk: Buffer): Promise<boolean> {
  return new Promise((resolve) => {
    const onClose = () => resolve(false);
    response.once("close", onClose);
    response.write(chunk, (error) => {
      response.off("close", onClose);
      resolve(!error);
    });
  });
}
