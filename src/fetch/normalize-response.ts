import { type Framing, normalizeHead } from "./normalize-head.ts";
import { type ChunkReader, createChunkReader } from "./read-chunks.ts";

/**
 * Rewrites the bytes of one response into canonical HTTP/1.1, for a strict parser: status line, clean header lines, one
 * length or chunks without extensions, no interim responses and no trailers.
 *
 * Accepts what browsers accept beyond the strict form. That is safe because a connection carries one exchange and is then
 * destroyed: there is no second response that two readers could find at different places (request smuggling).
 *
 * A pure state machine. Its work is linear in the received bytes for pieces of any size, and its memory is bounded.
 */
export interface ResponseNormalizer {
  /**
   * Takes the next bytes. They belong to the normalizer from now on: it moves the data of chunks within them.
   *
   * @returns canonical pieces, in order; a head is complete, in one piece with memory of its own
   */
  push(bytes: Buffer): readonly Buffer[];
  /** Why the response is refused, after the pieces so far; null if it is not. No piece follows. */
  readonly refusal: string | null;
}

// All heads of a response together, and the empty lines before them. nginx and Node accept less, Chromium 256 KiB.
const maxHeadBytes = 64 * 1024;

// 100, 102 and 103 (RFC 9110 15.2). A page that preloads many files may have a few.
const maxInterimHeads = 20;

const leastHeldBytes = 1024;
const httpName = Buffer.from("HTTP/");
const [lineFeed, carriageReturn] = [0x0a, 0x0d];
const nothing = Buffer.alloc(0);

export function createResponseNormalizer(): ResponseNormalizer {
  let refusal: string | null = null;
  let held = nothing; // the beginning of a head, in a buffer that grows
  let heldBytes = 0;
  let line: "empty" | "cr" | "text" = "empty"; // the current line so far
  let headBytes = 0;
  let interimHeads = 0;
  let framing: Framing | null | undefined; // undefined until the head is complete
  let leftBytes = 0; // of a body with a length
  let chunks: ChunkReader | null = null;

  function refuse(why: string): readonly Buffer[] {
    refusal = why;
    held = nothing;
    return [];
  }

  /** Finds the head in these bytes: `from` is behind the empty lines before it, `to` behind the one after it, or -1. */
  function findHead(bytes: Buffer): { readonly from: number; readonly to: number } {
    let from = heldBytes > 0 ? 0 : -1;
    for (let at = 0; at < bytes.length; at += 1) {
      const byte = bytes[at];
      if (byte === lineFeed) {
        const isEmpty = line !== "text";
        line = "empty";
        if (isEmpty && from !== -1) return { from, to: at + 1 };
      } else if (byte === carriageReturn && line === "empty") {
        line = "cr";
      } else {
        line = "text";
        if (from === -1) from = at;
      }
    }
    return { from: from === -1 ? bytes.length : from, to: -1 };
  }

  function hold(bytes: Buffer): void {
    const neededBytes = heldBytes + bytes.length;
    if (neededBytes > held.length) {
      const larger = Buffer.allocUnsafe(Math.max(leastHeldBytes, 2 * neededBytes));
      held.copy(larger, 0, 0, heldBytes);
      held = larger;
    }
    bytes.copy(held, heldBytes);
    heldBytes = neededBytes;
  }

  /** Whether the held bytes may become a status line: another protocol may never send a line end. */
  function isHttp(): boolean {
    const bytes = Math.min(heldBytes, httpName.length);
    return held.compare(httpName, 0, bytes, 0, bytes) === 0;
  }

  /** Reads heads, until one is not interim; then the rest is body. */
  function readHeads(bytes: Buffer): readonly Buffer[] {
    const { from, to } = findHead(bytes);
    const end = to === -1 ? bytes.length : to;
    headBytes += end;
    if (headBytes > maxHeadBytes) return refuse("heads of more than 64 KiB");
    hold(bytes.subarray(from, end));
    if (!isHttp()) return refuse("another protocol");
    if (to === -1) return [];
    const head = normalizeHead(held.toString("latin1", 0, heldBytes));
    heldBytes = 0;
    if ("refusal" in head) return refuse(head.refusal);
    const rest = bytes.subarray(to);
    if (head.status < 200) return skipInterim(head.status, rest);
    held = nothing;
    framing = head.framing;
    if (typeof framing === "number") leftBytes = framing;
    if (framing === "chunked") chunks = createChunkReader();
    return [Buffer.from(head.text, "latin1"), ...readBody(rest)];
  }

  function skipInterim(status: number, rest: Buffer): readonly Buffer[] {
    if (status === 101) return refuse("a switch to another protocol");
    interimHeads += 1;
    if (interimHeads > maxInterimHeads) return refuse("interim heads without end");
    return readHeads(rest);
  }

  function readBody(bytes: Buffer): readonly Buffer[] {
    if (bytes.length === 0 || framing === null) return [];
    if (chunks) {
      const pieces = chunks.push(bytes);
      refusal = chunks.refusal;
      return pieces;
    }
    if (framing === "close") return [bytes];
    // Bytes behind the declared length are no part of the response.
    const body = bytes.subarray(0, leftBytes);
    leftBytes -= body.length;
    return body.length === 0 ? [] : [body];
  }

  return {
    get refusal() {
      return refusal;
    },

    push(bytes) {
      if (refusal !== null) return [];
      return framing === undefined ? readHeads(bytes) : readBody(bytes);
    },
  };
}
