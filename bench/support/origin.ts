/**
 * Serves pictures, each under all paths below its number, and counts requests and bytes. A counter after the end of each
 * picture makes all bodies different; otherwise the service would deduplicate decoding by SHA-256.
 */
import { once } from "node:events";
import { createServer, type RequestListener, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

export interface OriginOptions {
  /** Delay before the first byte. */
  readonly delayMs: number;
  /** Bandwidth limit of each response; null: none. */
  readonly bytesPerSecond: number | null;
  /** Number of ports; the service treats each port as another host. */
  readonly hosts: number;
}

export interface OriginListen extends OriginOptions {
  /** Bodies in base64. */
  readonly pictures: readonly { readonly body: string; readonly type: string }[];
}

/** Requests so far, and bytes of bodies written to sockets. */
export interface OriginCounts {
  readonly requests: number;
  readonly bytes: number;
}

export type OriginCommand = { listen: OriginListen } | { count: true };
export type OriginReply = { ports: number[] } | OriginCounts;

const paceMs = 5;
const keepAliveTimeout = 60_000; // longer than the slowest contender takes to read a response

let requests = 0;
let bytes = 0;

async function listen({ pictures, delayMs, bytesPerSecond, hosts }: OriginListen): Promise<number[]> {
  const bodies = pictures.map(({ body }) => Buffer.from(body, "base64"));
  const answer: RequestListener = ({ url = "", method }, response) => {
    requests += 1;
    const index = Number(url.split("/")[1]);
    const picture = bodies[index]!;
    const number = Buffer.from(String(requests).padStart(9));
    setTimeout(() => {
      const length = picture.byteLength + number.byteLength;
      response.writeHead(200, { "content-type": pictures[index]!.type, "content-length": length });
      if (method === "HEAD") return response.end();
      return bytesPerSecond === null
        ? send(response, picture, number)
        : drip(response, Buffer.concat([picture, number]), bytesPerSecond);
    }, delayMs);
  };
  const servers = Array.from({ length: hosts }, () =>
    createServer({ keepAliveTimeout }, answer).listen(0, "127.0.0.1"),
  );
  await Promise.all(servers.map((server) => once(server, "listening")));
  return servers.map((server) => (server.address() as AddressInfo).port);
}

function send(response: ServerResponse, ...parts: readonly Buffer[]): void {
  for (const part of parts) {
    bytes += part.byteLength;
    response.write(part);
  }
  response.end();
}

function drip(response: ServerResponse, body: Buffer, bytesPerSecond: number): void {
  const began = performance.now();
  let sent = 0;
  const timer = setInterval(() => {
    const due = Math.min(body.byteLength, Math.ceil(((performance.now() - began) / 1000) * bytesPerSecond));
    bytes += due - sent;
    response.write(body.subarray(sent, due));
    sent = due;
    if (sent < body.byteLength) return;
    clearInterval(timer);
    response.end();
  }, paceMs);
  response.on("close", () => clearInterval(timer));
}

process.on("message", (command: OriginCommand) => {
  if ("listen" in command) void listen(command.listen).then((ports) => process.send!({ ports }));
  else process.send!({ requests, bytes });
});
process.on("disconnect", () => process.exit());
