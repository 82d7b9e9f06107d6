import type { ServerOptions } from "node:http";
import type { Socket } from "node:net";
import { OracleError } from "../domain/errors.ts";
import { problemOf } from "./problem.ts";

// Slowloris: a connection may hold a descriptor for 4 s without a complete request. Checked every 250 ms, so that a
// silent or slow connection is closed within 6 s, even on a busy machine.
const requestTimeoutMs = 4_000;
const checkEveryMs = 250;

// Longest idle time between two requests. Node waits 1 s longer than its `Keep-Alive` header announces.
const keepAliveTimeoutMs = 3_500;

// JSON with the longest URL: 8 KiB, and as much for escapes and the other keys.
export const maxBodyBytes = 16 * 1024;

// Request line and headers. A GET with the longest URL: 3 x 8 KiB if each character is percent-encoded, + 8 KiB of headers.
const maxHeadBytes = 32 * 1024;

export interface ConnectionOptions {
  /** A connection on which nothing was sent or received for this time is closed. */
  readonly inactivityTimeoutMs: number;
}

const fixedOptions = {
  bodyLimit: maxBodyBytes,
  requestTimeout: requestTimeoutMs,
  keepAliveTimeout: keepAliveTimeoutMs,
  http: {
    headersTimeout: requestTimeoutMs,
    requestTimeout: requestTimeoutMs,
    connectionsCheckingInterval: checkEveryMs,
    maxHeaderSize: maxHeadBytes,
    // Node's own answer to a missing Host has no body; nothing here depends on that header.
    requireHostHeader: false,
  } satisfies ServerOptions,
};

/** Returns Fastify's and Node's options that bound the cost of a connection. */
export function connectionOptions({ inactivityTimeoutMs }: ConnectionOptions) {
  return { ...fixedOptions, connectionTimeout: inactivityTimeoutMs };
}

const refusals = {
  400: { phrase: "Bad Request", code: "request_invalid" },
  408: { phrase: "Request Timeout", code: "request_timeout" },
  431: { phrase: "Request Header Fields Too Large", code: "request_too_large" },
} as const;

function refusalOf(error: NodeJS.ErrnoException): keyof typeof refusals {
  if (error.code === "ERR_HTTP_REQUEST_TIMEOUT") return 408;
  if (error.code === "HPE_HEADER_OVERFLOW") return 431;
  return 400;
}

/**
 * Answers a request that cannot be parsed, and closes the connection: the start of the next request is unknown.
 *
 * @param requestId a new one: the request's own header could not be read
 */
export function refuseConnection(error: NodeJS.ErrnoException, socket: Socket, requestId: string): void {
  // After the head of an answer was sent, anything more would be read as its body.
  const { _httpMessage: answering } = socket as { _httpMessage?: { headersSent: boolean } | null };
  if (error.code === "ECONNRESET" || !socket.writable || answering?.headersSent) {
    socket.destroy();
    return;
  }
  const status = refusalOf(error);
  const { phrase, code } = refusals[status];
  const body = JSON.stringify(problemOf(new OracleError(code, "the request cannot be parsed"), status));
  socket.end(
    [
      `HTTP/1.1 ${status} ${phrase}`,
      "Content-Type: application/problem+json",
      `Content-Length: ${Buffer.byteLength(body)}`,
      "Cache-Control: no-store",
      "X-Content-Type-Options: nosniff",
      "Cross-Origin-Resource-Policy: same-origin",
      `X-Request-Id: ${requestId}`,
      "Connection: close",
      "",
      body,
    ].join("\r\n"),
  );
  // A peer that never closes its side would keep the descriptor.
  socket.destroySoon();
}
