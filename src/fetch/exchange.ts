import type { Socket } from "node:net";
import { OracleError, toOracleError } from "../domain/errors.ts";
import { createResponseReader } from "./read-response.ts";
import type { ResponseHead } from "./response-head.ts";
import { toSourceError } from "./source-error.ts";

export type { ResponseHead } from "./response-head.ts";

/** A GET request on its own connection. */
export interface ExchangeRequest {
  /** The `Host` header: host and port of the URL. */
  readonly host: string;
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
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

/** Receives the chunks of a body. */
export interface BodySink {
  /** Backpressure: true pauses reading. The rest stays at the origin and in the socket buffers. */
  readonly hasEnough: boolean;
  /** Must copy the chunk before it returns. False ends the exchange: no further call, not even `end`. */
  write(chunk: Uint8Array): boolean;
  end(how: BodyEnd): void;
}

// RFC 9112 3.2 and RFC 9110 5.5. Validators and cookies are text of an origin, or of a damaged cache: a line end in
// them would begin another header, or another request.
const invalidInPath = /[^\x21-\x7e]/;
const invalidInValue = /[^\t\x20-\x7e\x80-\xff]/;

/**
 * Sends a GET over a connected socket, reads one response, and always destroys the socket.
 *
 * Only the signal limits the time.
 *
 * @param accept receives the head before any of the body; returns the sink, or null to skip the body
 * @returns resolves with the head; the sink continues to receive the body
 * @throws OracleError `source_unreachable` or `source_protocol` if no head arrives, `internal` if the request is invalid
 */
export function exchange(
  socket: Socket,
  request: ExchangeRequest,
  signal: AbortSignal,
  accept: (head: ResponseHead, control: ExchangeControl) => BodySink | null,
): Promise<Response> {
  return new Promise((resolve, reject) => {
    const reader = createResponseReader();
    let sink: BodySink | null = null;
    let isHeld = false;
    let isOver = false;

    function stop() {
      isOver = true;
      sink = null;
      signal.removeEventListener("abort", onAbort);
      socket.destroy();
    }

    function resume() {
      if (isHeld) read();
    }

    const control: ExchangeControl = { resume, close: stop };

    /** Ends the exchange: ends the body if there is a sink, else rejects the promise with the failure. */
    function end(how: BodyEnd, failure = closed) {
      if (isOver) return;
      const unfinished = sink;
      stop();
      if (unfinished) unfinished.end(how);
      else reject(failure());
    }

    const onAbort = () =>
      end("timeout", () => new OracleError("source_unreachable", "no head in time", { reason: "timeout" }));

    /** Reads the socket until it has no more, or the sink has enough. */
    function read() {
      try {
        while (!isOver) {
          isHeld = sink?.hasEnough ?? false;
          const bytes = isHeld ? null : (socket.read() as Buffer | null);
          if (!bytes) return;
          receive(bytes);
        }
      } catch (error) {
        // Thrown by a listener of the socket, it would be uncaught, and end the process.
        end("truncated", () => toOracleError(error));
      }
    }

    function receive(bytes: Buffer) {
      const isFirst = reader.head === null;
      const data = reader.push(bytes);
      const { head, refusal } = reader;
      if (head && isFirst) {
        const accepted = accept(head, control);
        resolve({ ...head, ...control });
        if (!accepted) stop();
        if (isOver) return;
        sink = accepted;
      }
      if (data.length > 0 && sink && !sink.write(data)) return stop();
      if (reader.isComplete) end("complete");
      else if (refusal !== null) end("truncated", () => new OracleError("source_protocol", `not HTTP: ${refusal}`));
    }

    socket.on("readable", read);
    socket.on("end", () => end(reader.endsByClose ? "complete" : "truncated"));
    // A reset is no end of a body without a length.
    socket.on("error", (error) => end("truncated", () => toSourceError(error)));
    socket.on("close", () => end("truncated"));
    if (signal.aborted) return onAbort();
    if (socket.destroyed) return end("truncated"); // its events may be over
    signal.addEventListener("abort", onAbort, { once: true });
    const text = requestText(request);
    if (text === null) return end("truncated", () => new OracleError("internal", "invalid characters in a request"));
    socket.write(text, "latin1");
  });
}

/** Returns the request in Latin-1; null if the path or a value has characters that are not allowed there. */
function requestText({ host, path, headers }: ExchangeRequest): string | null {
  const lines = Object.entries({ host, connection: "close", ...headers });
  if (invalidInPath.test(path) || lines.some(([, value]) => invalidInValue.test(value))) return null;
  return [`GET ${path} HTTP/1.1`, ...lines.map(([name, value]) => `${name}: ${value}`), "", ""].join("\r\n");
}

function closed(): OracleError {
  return new OracleError("source_unreachable", "closed before there was a head", { reason: "reset" });
}
