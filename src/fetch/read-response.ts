import { type ChunkReader, createChunkReader } from "./read-chunks.ts";
import { type Framing, parseHead, type ResponseHead } from "./response-head.ts";

/**
 * Reads the bytes of one response: its head, and the data of its body.
 *
 * Accepts what browsers accept beyond the strict form. That is safe because a connection carries one exchange and is then
 * destroyed: there is no second response that two readers could find at different places (request smuggling).
 *
 * A pure state machine. Its work is linear in the received bytes for pieces of any size, and its memory is bounded.
 */
export interface ResponseReader {
  /**
   * Takes the next bytes. They belong to the reader from now on: it moves the data of chunks within them.
   *
   * @returns the data of the body in them
   */
  push(bytes: Buffer): Buffer;
  /** Null until it is complete; without interim responses. */
  readonly head: ResponseHead | null;
  /** Whether the body is complete by its length or its last chunk. */
  readonly isComplete: boolean;
  /** Whether the body ends where the connection ends. */
  readonly endsByClose: boolean;
  /** Why the response is refused, after the data so far; null if it is not. No data follows. */
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

export function createResponseReader(): ResponseReader {
  let refusal: string | null = null;
  let held = nothing; // the beginning of a head, in a buffer that grows
  let heldBytes = 0;
  let line: "empty" | "cr" | "text" = "empty"; // the current line so far
  let headBytes = 0;
  let interimHeads = 0;
  let head: ResponseHead | null = null;
  let framing: Framing | null = null;
  let leftBytes = 0; // of a body with a length
  let chunks: ChunkReader | null = null;

  function refuse(why: string): Buffer {
    refusal = why;
    held = nothing;
    return nothing;
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
  function readHeads(bytes: Buffer): Buffer {
    const { from, to } = findHead(bytes);
    const end = to === -1 ? bytes.length : to;
    headBytes += end;
    if (headBytes > maxHeadBytes) return refuse("heads of more than 64 KiB");
    hold(bytes.subarray(from, end));
    if (!isHttp()) return refuse("another protocol");
    if (to === -1) return nothing;
    const parsed = parseHead(held.toString("latin1", 0, heldBytes));
    heldBytes = 0;
    if ("refusal" in parsed) return refuse(parsed.refusal);
    const rest = bytes.subarray(to);
    if (parsed.status < 200) return skipInterim(parsed.status, rest);
    held = nothing;
    head = { status: parsed.status, headers: parsed.headers };
    framing = parsed.framing;
    if (typeof framing === "number") leftBytes = framing;
    if (framing === "chunked") chunks = createChunkReader();
    return readBody(rest);
  }

  function skipInterim(status: number, rest: Buffer): Buffer {
    if (status === 101) return refuse("a switch to another protocol");
    interimHeads += 1;
    if (interimHeads > maxInterimHeads) return refuse("interim heads without end");
    return readHeads(rest);
  }

  function readBody(bytes: Buffer): Buffer {
    if (framing === null) return nothing;
    if (framing === "close") return bytes;
    if (chunks) {
      const data = chunks.push(bytes);
      refusal = chunks.refusal;
      return data;
    }
    // Bytes behind the declared length are no part of the response.
    const body = bytes.subarray(0, leftBytes);
    leftBytes -= body.length;
    return body;
  }

  return {
    get head() {
      return head;
    },

    get isComplete() {
      return chunks ? chunks.isComplete : typeof framing === "number" && leftBytes === 0;
    },

    get endsByClose() {
      return framing === "close";
    },

    get refusal() {
      return refusal;
    },

    push(bytes) {
      if (refusal !== null) return nothing;
      return head ? readBody(bytes) : readHeads(bytes);
    },
  };
}
