import { createHash } from "node:crypto";
import { type FailureCode, OracleError } from "../domain/errors.ts";
import type { WarningCode } from "../domain/metadata.ts";
import type { ByteLender } from "../domain/byte-budget.ts";
import type { BodyEnd, BodySink } from "./exchange.ts";
import type { Meter } from "../domain/transfer.ts";

/** The result of reading a body. */
export interface Body {
  /** The whole body if `sha256` is set, else the part that arrived; only the head if too large; empty if encoded. */
  readonly bytes: Uint8Array;
  /** Hex; null unless the body was read to its end. */
  readonly sha256: string | null;
  /** Null if the body was read to its end, or stopped by the caller. */
  readonly warning: WarningCode | null;
}

/** Receives a body into one buffer. */
export interface IncomingBody extends BodySink {
  /** Length of the whole body; null if it is unknown, or the body is decoded. */
  readonly declaredBytes: number | null;
  /** Ends the body: as its exchange ended, at a limit, or because it cannot be decoded. */
  end(how: BodyEnd | "too_large" | "encoded"): void;
  /** Ends the body without bytes, with the failure of its pending and later calls: there is no memory for its decoder. */
  refuse(code: FailureCode): void;
  /**
   * Resolves with all bytes so far once they are at least `bytes`, or once the body has ended with fewer. Inspect them
   * before the next `await`: the buffer is lent and reused. Raises the backpressure threshold to `bytes`.
   *
   * @throws OracleError `overloaded` or `host_busy`: no memory; nothing else
   */
  arrived(bytes: number): Promise<Uint8Array>;
  /**
   * Removes the backpressure; resolves at the end of the body, at its limit or at a stop.
   *
   * @throws OracleError `overloaded` or `host_busy`: no memory; nothing else
   */
  body(): Promise<Body>;
  /** The bytes so far. Inspect them before the next `await`: the buffer is lent and reused. */
  readonly received: Uint8Array;
  /** Null until the body has ended. */
  readonly outcome: Body | null;
  /** Ends the body with the bytes so far. Does nothing if the body has ended. */
  stop(): void;
  /** Returns the buffer to the byte budget for reuse. Pending promises resolve with no bytes. */
  release(): void;
}

export interface IncomingBodyOptions {
  readonly lender: ByteLender;
  readonly meter: Meter;
  readonly maxBytes: number;
  /**
   * Size of the head: read ahead before the first request for bytes (backpressure after that), all that `body` waits for if
   * `Content-Length` exceeds `maxBytes`, and kept if the counted size does.
   */
  readonly headBytes: number;
  /** Length of the whole body, `beginning` included. */
  readonly declaredBytes: number | null;
  /** Whether the response has only the beginning of the file, and its end is that of a truncated body. */
  readonly isPart?: boolean;
  /** The bytes before the first received one, from an earlier response with the same validators: copied. */
  readonly beginning?: Uint8Array;
}

const nothing = new Uint8Array(0);
const hashedAtOnce = 64 * 1024; // bytes; takes 0.1 ms. Hashing byte by byte would dominate the cost of a dripping body.

/** Creates a body whose buffer grows with the received bytes, never with Content-Length, within the byte budget. */
export function createIncomingBody(options: IncomingBodyOptions): IncomingBody {
  const { lender, meter, maxBytes, headBytes, declaredBytes, isPart = false } = options;
  const announcedTooLarge = declaredBytes !== null && declaredBytes > maxBytes;
  let allowedBytes = maxBytes;
  const hash = createHash("sha256");
  let buffer: Uint8Array = nothing;
  let length = 0;
  let wanted = headBytes;
  let hashed = 0;
  let ended = false;
  let endWait: (() => void) | null = meter.wait();
  let failure: OracleError | null = null;
  let waiters: { readonly bytes: number; readonly proceed: () => void }[] = [];
  let outcome: Body | null = null;
  let resolveDone!: (body: Body) => void; // set by the next line
  const done = new Promise<Body>((resolve) => (resolveDone = resolve));

  const hasEnough = () => !ended && length >= wanted;

  /** Reports to the meter whether we wait for the origin, or hold the body back ourselves (backpressure). */
  function updateWait() {
    if (ended || hasEnough()) {
      endWait?.();
      endWait = null;
    } else {
      endWait ??= meter.wait();
    }
  }

  /** Returns the failure code if there is no memory. */
  function makeRoom(needed: number): FailureCode | null {
    if (needed <= buffer.length) return null;
    const larger = lender.lend(needed, buffer, length);
    if (typeof larger === "string") return larger;
    buffer = larger;
    return null;
  }

  function wake() {
    if (waiters.length === 0) return;
    const isReady = ({ bytes }: { bytes: number }) => ended || bytes <= length;
    const ready = waiters.filter(isReady);
    waiters = waiters.filter((waiter) => !isReady(waiter));
    for (const { proceed } of ready) proceed();
  }

  function settle(warning: WarningCode | null, sha256: string | null = null) {
    ended = true;
    updateWait();
    outcome = { bytes: buffer.subarray(0, length), sha256, warning };
    resolveDone(outcome);
    wake();
  }

  function drop() {
    lender.giveBack(buffer);
    buffer = nothing;
    length = 0;
  }

  function refuse(code: FailureCode) {
    if (ended) return;
    failure = new OracleError(code, "no memory for another body");
    drop();
    settle(null);
  }

  /** Appends bytes; false if there is no memory for them, or if nothing more is allowed. */
  function append(bytes: Uint8Array): boolean {
    const code = makeRoom(length + bytes.length);
    if (code) {
      refuse(code);
      return false;
    }
    buffer.set(bytes, length);
    length += bytes.length;
    return true;
  }

  /** Keeps only the head of a body that is too large, in a smaller buffer. */
  function keepHead() {
    if (announcedTooLarge) return; // its caller bounds what it reads, and may still inspect it
    length = Math.min(length, headBytes);
    const smaller = lender.lend(length, buffer, length);
    if (typeof smaller !== "string") buffer = smaller;
  }

  if (options.beginning) append(options.beginning);

  return {
    declaredBytes,
    refuse,

    get hasEnough() {
      return hasEnough();
    },

    get received() {
      return buffer.subarray(0, length);
    },

    get outcome() {
      return outcome;
    },

    write(chunk) {
      if (ended) return false;
      const fitting = chunk.length > allowedBytes - length ? chunk.subarray(0, allowedBytes - length) : chunk;
      meter.received(chunk.length);
      if (!append(fitting)) return false;
      if (announcedTooLarge ? length >= allowedBytes : fitting.length < chunk.length) {
        keepHead();
        settle("body_too_large");
        return false;
      }
      if (length - hashed >= hashedAtOnce) {
        hash.update(buffer.subarray(hashed, length));
        hashed = length;
      }
      updateWait();
      wake();
      return true;
    },

    end(how) {
      if (ended) return;
      if (how === "too_large") keepHead();
      if (how !== "complete") settle(`body_${how}`);
      else if (isPart) settle("body_truncated");
      else settle(null, hash.update(buffer.subarray(hashed, length)).digest("hex"));
    },

    async arrived(bytes) {
      wanted = Math.max(wanted, bytes);
      updateWait();
      if (!ended && bytes > length) await new Promise<void>((proceed) => waiters.push({ bytes, proceed }));
      if (failure) throw failure;
      return buffer.subarray(0, length);
    },

    async body() {
      wanted = Infinity;
      if (announcedTooLarge) {
        allowedBytes = Math.min(maxBytes, Math.max(headBytes, length));
        if (!ended && length >= allowedBytes) settle("body_too_large");
      }
      updateWait();
      const body = await done;
      if (failure) throw failure;
      return body;
    },

    stop() {
      if (!ended) settle(null);
    },

    release() {
      drop();
      if (!ended) settle("body_timeout");
    },
  };
}
