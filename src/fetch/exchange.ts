import type { Socket } from "node:net";
import { Client, type Dispatcher } from "undici";
import { OracleError } from "../domain/errors.ts";
import { toSourceError } from "./source-error.ts";

/** One GET on a connection of its own. */
export interface ExchangeRequest {
  /** As in the URL, for the `Host` header. */
  readonly host: string;
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
}

export interface ResponseHead {
  /** 200 to 599. */
  readonly status: number;
  /** Names in lower case; an array where a header came more than once; Latin-1, whatever it was. */
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
}

export interface Response extends ResponseHead {
  /** Goes on with the body, where its sink had enough for a while. */
  readonly resume: () => void;
  /** Ends the connection, without a word to the sink. */
  readonly close: () => void;
}

/** How a body ended: as announced, before that, or because the signal came. */
export type BodyEnd = "complete" | "truncated" | "timeout";

/** Takes a body as it comes. Neither may throw. */
export interface BodySink {
  /** Whether nothing more shall come for now: it stays on the other side, and in some buffers of the connection. */
  readonly hasEnough: boolean;
  /** Must be done with the chunk when it returns. False: wants no more, and nothing more comes, not even an end. */
  write(chunk: Uint8Array): boolean;
  end(how: BodyEnd): void;
}

// More than anybody sends.
const maxInterimHeads = 5;

// Interim heads and all line ends included; undici itself counts neither, and 16 KiB (`http.maxHeaderSize`) of the rest.
// A line costs 4 µs, and the shortest has four bytes: 24 ms.
const maxHeadBytes = 24 * 1024;

// What may come without becoming body: heads, trailers, chunk sizes and their extensions, which the parser passes over
// without a word. Beyond it, two bytes for each of body. Chunks of one byte are five, and cost so much time that a few
// bodies of them held up everybody: 85,000 of those are enough.
const maxOverheadBytes = 256 * 1024;
const maxOverheadPerBodyByte = 2;

// The parser goes on to the end of what it was given after it has refused it, and makes an error for each further line:
// 64 KiB of short ones held up everybody for 100 ms. So it is given no more than this of heads and trailers at a time.
const maxPieceBytes = 1024;

const exchangeOver = new Error("the exchange is over");

/**
 * Sends a GET over a connected socket and reads the one response, then destroys the socket, always.
 *
 * undici 7 ends the process when a peer closes while its parser holds a body back (nodejs/undici#5360). So it is never
 * told to pause: where the sink has enough, the socket gives it nothing more to parse. None of its timers is used (late,
 * and re-armed by every interim head): the signal is the only clock, and it destroys the socket.
 *
 * @param accept called with the head before any of the body is read; gives the sink, or null for a body not wanted
 * @returns when the head is there; the sink then goes on
 * @throws OracleError `source_unreachable` or `source_protocol`, where no head came
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
      // With an error: without one undici asks its parser whether the body of unknown length is complete by that, and
      // that is the place of the assertion which ends the process.
      socket.destroy(exchangeOver);
    }

    function resume() {
      if (over || !isHeld) return;
      isHeld = false;
      socket.emit("readable"); // undici reads on, as it does where more has come
    }

    /** The end that was not asked for: of the body where there is one, else of the whole attempt. */
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
        // Nothing to do, but by this method undici tells its new interface from the old one.
      },
      onResponseStart(_controller, status, headers) {
        if (over) return;
        // The parser lets 000 through, and 999.
        if (status < 100 || status > 599) return cut("truncated", () => protocol("the status is none"));
        // undici asserts that it was asked for, and nothing was.
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

    // Before undici's own listeners, which take a reset for the end of a body that has no length.
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
      // The parser keeps lines by reference until the head is whole, while the memory is read into again.
      if (headBytes <= maxHeadBytes) return Buffer.from(chunk);
      cut("truncated", () => protocol("a head without end"));
      return null;
    };
    if (signal.aborted) return onAbort();
    signal.addEventListener("abort", onAbort, { once: true });

    let handedOver = false;
    // Not a host that is looked at anywhere: the connection is made, and the Host header is given.
    const client = new Client("http://origin.invalid", {
      connect(_options, callback) {
        // undici connects anew when a peer answers before it is asked, or hangs up: as often as the peer likes.
        const isFirst = !handedOver;
        handedOver = true;
        // Not at once: the client is not ready for a connection before this function has returned.
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
