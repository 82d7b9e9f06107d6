import type { Socket } from "node:net";
import { Client, type Dispatcher } from "undici";
import { OracleError } from "../domain/errors.ts";
import { toSourceError } from "./source-error.ts";

/** A GET request on its own connection. */
export interface ExchangeRequest {
  /** The `Host` header: host and port of the URL. */
  readonly host: string;
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
}

export interface ResponseHead {
  /** 200 to 599. */
  readonly status: number;
  /** Names in lower case; an array if a header is repeated; bytes read as Latin-1. */
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
}

export interface Response extends ResponseHead {
  /** Resumes the body after backpressure from its sink. */
  readonly resume: () => void;
  /** Closes the connection without a call to the sink. */
  readonly close: () => void;
}

/** How a body ended: as framed, too early, or by the abort signal. */
export type BodyEnd = "complete" | "truncated" | "timeout";

/** Receives the chunks of a body. The methods must not throw. */
export interface BodySink {
  /** Backpressure: true pauses reading. The rest stays at the origin and in the socket buffers. */
  readonly hasEnough: boolean;
  /** Must copy the chunk before it returns. False ends the exchange: no further call, not even `end`. */
  write(chunk: Uint8Array): boolean;
  end(how: BodyEnd): void;
}

// 1xx responses; more than real origins send.
const maxInterimHeads = 5;

// Includes interim heads and line ends. undici counts neither, and limits the rest to 16 KiB (`http.maxHeaderSize`).
// A line costs 4 µs, and the shortest has four bytes: at most 24 ms.
const maxHeadBytes = 24 * 1024;

// Limit of bytes that are not body: heads, trailers, chunk sizes and chunk extensions, which the parser skips silently.
// Two more are allowed per body byte. A chunk of one byte has five, and is so slow to parse that a few such bodies
// blocked the event loop: this limit ends them after 85,000 chunks.
const maxOverheadBytes = 256 * 1024;
const maxOverheadPerBodyByte = 2;

// After an error the parser continues to the end of its input, and creates an error for each further line: 64 KiB of
// short lines blocked the event loop for 100 ms. So it gets heads and trailers in pieces of this size.
const maxPieceBytes = 1024;

const exchangeOver = new Error("the exchange is over");

/**
 * Sends a GET over a connected socket, reads one response, and always destroys the socket.
 *
 * undici 7 crashes the process if a peer closes while its parser is paused (nodejs/undici#5360). So its parser is never
 * paused: for backpressure, `socket.read` returns null instead. undici's timers are off (they fire late, and each
 * interim head re-arms them): only the signal limits the time, and it destroys the socket.
 *
 * @param accept receives the head before any of the body is read; returns the sink, or null to skip the body
 * @returns resolves with the head; the sink continues to receive the body
 * @throws OracleError `source_unreachable` or `source_protocol` if no head arrives
 */
export function exchange(
  socket: Socket,
  request: ExchangeRequest,
  signal: AbortSignal,
  accept: (head: ResponseHead) => BodySink | null,
): Promise<Response> {
  return new Promise((resolve, reject) => {
    let sink: BodySink | null = null;
    let over = false;
    let wireFailed = false;
    let isHeld = false;
    let reading: "heads" | "chunks" | "body" = "heads"; // chunks may end in trailers, which are read like heads
    let headBytes = 0;
    let interimHeads = 0;
    let bodyBytes = 0;
    const wireBytesBefore = socket.bytesRead;

    function stop() {
      over = true;
      sink = null;
      signal.removeEventListener("abort", onAbort);
      // With an error: otherwise undici asks its parser whether a body of unknown length is complete, and fails the
      // assertion that crashes the process.
      socket.destroy(exchangeOver);
    }

    function resume() {
      if (over || !isHeld) return;
      isHeld = false;
      socket.emit("readable"); // makes undici read, as for new data
    }

    /** Ends the exchange early: ends the body if there is a sink, else rejects the promise. */
    function cut(how: "truncated" | "timeout", failure: () => OracleError) {
      if (over) return;
      const unfinished = sink;
      stop();
      if (unfinished) unfinished.end(how);
      else reject(failure());
    }

    const onAbort = () =>
      cut("timeout", () => new OracleError("source_unreachable", "no head in time", { reason: "timeout" }));

    const handler: Dispatcher.DispatchHandler = {
      onRequestStart() {
        // Empty, but undici recognizes its new handler interface by this method.
      },
      onResponseStart(_controller, status, headers) {
        if (over) return;
        // The parser accepts 000 and 999.
        if (status < 100 || status > 599) return cut("truncated", () => protocol("the status is none"));
        // undici asserts that an upgrade was requested.
        if (status === 101) return cut("truncated", () => protocol("another protocol"));
        if (status < 200) {
          interimHeads += 1;
          if (interimHeads > maxInterimHeads) cut("truncated", () => protocol("interim heads without end"));
          return;
        }
        sink = accept({ status, headers });
        if (!sink) stop();
        reading = headers["transfer-encoding"] === undefined ? "body" : "chunks";
        resolve({ status, headers, resume, close: stop });
      },
      onResponseData(_controller, chunk) {
        if (over) return;
        bodyBytes += chunk.length;
        if (!sink?.write(chunk)) stop();
      },
      onResponseEnd() {
        if (over) return;
        const finished = sink;
        stop();
        finished?.end(wireFailed ? "truncated" : "complete");
      },
      onResponseError(_controller, error) {
        cut("truncated", () => toSourceError(error));
      },
    };

    // Registered before undici's listeners, which accept a reset as the end of a body without a length.
    socket.on("error", (error) => (wireFailed ||= "syscall" in error));
    socket.on("readable", () => {
      const overhead = socket.bytesRead - socket.readableLength - wireBytesBefore - bodyBytes;
      if (overhead > maxOverheadBytes + maxOverheadPerBodyByte * bodyBytes) {
        cut("truncated", () => protocol("a head without end"));
      }
    });
    const read = socket.read.bind(socket) as (bytes?: number) => Buffer | null;
    socket.read = () => {
      if (socket.destroyed) return null;
      isHeld = sink?.hasEnough ?? false;
      if (isHeld) return null;
      const piece = reading === "body" ? 0 : Math.min(maxPieceBytes, socket.readableLength);
      const chunk = read(piece > 0 ? piece : undefined);
      if (reading !== "heads" || !chunk) return chunk;
      headBytes += chunk.length;
      // Copied, because the parser references lines until the head is complete, and the read buffer is reused.
      if (headBytes <= maxHeadBytes) return Buffer.from(chunk);
      cut("truncated", () => protocol("a head without end"));
      return null;
    };
    if (signal.aborted) return onAbort();
    signal.addEventListener("abort", onAbort, { once: true });

    let handedOver = false;
    // The host is a placeholder: the socket is connected already, and the Host header is set below.
    const client = new Client("http://origin.invalid", {
      connect(_options, callback) {
        // undici reconnects without limit if a peer responds before the request, or hangs up.
        const isFirst = !handedOver;
        handedOver = true;
        // Deferred: the client is not ready for a connection before this function has returned.
        queueMicrotask(() => (isFirst ? callback(null, socket) : callback(closed(), null)));
      },
      headersTimeout: 0,
      bodyTimeout: 0,
    });
    const headers = { host: request.host, ...request.headers };
    client.dispatch({ method: "GET", path: request.path, headers, reset: true }, handler);
  });
}

function protocol(what: string): OracleError {
  return new OracleError("source_protocol", `not HTTP: ${what}`);
}

function closed(): OracleError {
  return new OracleError("source_unreachable", "closed before there was a head", { reason: "reset" });
}
