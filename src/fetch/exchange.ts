import type { Socket } from "node:net";
import { Client, type Dispatcher } from "undici";
import { OracleError } from "../domain/errors.ts";
import { createResponseNormalizer } from "./normalize-response.ts";
import { toSourceError } from "./source-error.ts";

/** A GET request on its own connection. */
export interface ExchangeRequest {
  /** The `Host` header: host and port of the URL. */
  readonly host: string;
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
}

export interface ResponseHead {
  /** 200 to 999: servers make up statuses beyond 599. */
  readonly status: number;
  /** Names in lower case; an array if a header is repeated; bytes read as Latin-1. */
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
}

/** Controls the rest of an exchange. */
export interface ExchangeControl {
  /** Resumes the body after backpressure from its sink. */
  readonly resume: () => void;
  /** Closes the connection without a call to the sink. */
  readonly close: () => void;
}

export interface Response extends ResponseHead, ExchangeControl {}

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

// The normalizer bounds a head more strictly, line ends included.
const maxHeaderBytes = 64 * 1024;

const exchangeOver = new Error("the exchange is over");

/**
 * Sends a GET over a connected socket, reads one response, and always destroys the socket.
 *
 * undici's strict parser gets the bytes of the response in canonical form: see normalize-response.ts.
 *
 * undici 7 crashes the process if a peer closes while its parser is paused (nodejs/undici#5360). So its parser is never
 * paused: for backpressure, `socket.read` returns null instead. undici's timers are off (they fire late): only
 * the signal limits the time, and it destroys the socket.
 *
 * @param accept receives the head before any of the body is read; returns the sink, or null to skip the body
 * @returns resolves with the head; the sink continues to receive the body
 * @throws OracleError `source_unreachable` or `source_protocol` if no head arrives
 */
export function exchange(
  socket: Socket,
  request: ExchangeRequest,
  signal: AbortSignal,
  accept: (head: ResponseHead, control: ExchangeControl) => BodySink | null,
): Promise<Response> {
  return new Promise((resolve, reject) => {
    let sink: BodySink | null = null;
    let over = false;
    let wireFailed = false;
    let isHeld = false;
    const normalizer = createResponseNormalizer();
    let pieces: Buffer[] = []; // canonical, not yet read by undici

    function stop() {
      over = true;
      sink = null;
      pieces = [];
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

    const control: ExchangeControl = { resume, close: stop };

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
        sink = accept({ status, headers }, control);
        if (!sink) stop();
        resolve({ status, headers, ...control });
      },
      onResponseData(_controller, chunk) {
        if (over) return;
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
    const readSocket = socket.read.bind(socket) as () => Buffer | null;

    /** Reads the socket until there is a canonical piece for undici. */
    socket.read = () => {
      for (;;) {
        if (socket.destroyed) return null;
        // Before a hold: the socket ends once it is read, and undici must have all pieces by then.
        const piece = pieces.shift();
        if (piece) return piece;
        const { refusal } = normalizer;
        if (refusal !== null) {
          cut("truncated", () => protocol(refusal));
          return null;
        }
        isHeld = sink?.hasEnough ?? false;
        const bytes = isHeld ? null : readSocket();
        if (!bytes) return null;
        pieces = [...normalizer.push(bytes)];
      }
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
      maxHeaderSize: maxHeaderBytes,
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
