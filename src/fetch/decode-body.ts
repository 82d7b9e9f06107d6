import type { Transform } from "node:stream";
import { createBrotliDecompress, createGunzip, createInflate, createInflateRaw } from "node:zlib";
import { createIncomingBody, type IncomingBody, type IncomingBodyOptions } from "./body.ts";
import type { ExchangeControl } from "./exchange.ts";

/** The content codings that Node 20 decodes (RFC 9110 8.4.1, RFC 7932). */
const decodable = ["gzip", "deflate", "br"] as const;
export type DecodableCoding = (typeof decodable)[number];

export function isDecodable(coding: string): coding is DecodableCoding {
  return decodable.some((known) => known === coding);
}

export interface DecodedBodyOptions extends Omit<IncomingBodyOptions, "declaredBytes" | "beginning" | "isPart"> {
  readonly coding: DecodableCoding;
  readonly control: ExchangeControl;
  /** Ends the body; the exchange, which has the same signal, may be over before all is decoded. */
  readonly signal: AbortSignal;
}

// Decompression bombs: 64 KiB of coded bytes become at most 17 MiB. Gzip reaches a ratio of 1,032, Brotli 10^6. Pictures
// with large areas of one colour are excepted: 4 MiB are a megapixel of a BMP.
const maxRatio = 200;
const freeBytes = 4 * 1024 * 1024;

// Memory of a decoder and its stream, which counts against the byte budget. A Brotli window can be larger.
const workBytes = 256 * 1024;
const pieceBytes = 64 * 1024;

// Enough of a body to see that it is not coded in spite of its header.
const startBytes = 16;

const nothing = new Uint8Array(0);

/**
 * Creates a body that is decoded while it arrives: its bytes, size and hash are those of the decoded representation.
 *
 * The limits of an uncoded body apply to the decoded bytes, backpressure included; a ratio limit stops decompression
 * bombs. zlib runs in Node's thread pool, one piece at a time. A body that is cut has the bytes that could be decoded. One
 * of which nothing can be decoded ends with `body_encoded`.
 */
export function createDecodedBody(options: DecodedBodyOptions): IncomingBody {
  const { coding, control, lender, meter, maxBytes, signal } = options;
  // The rate of the origin is that of the coded bytes.
  const ofDecoded = { wait: () => meter.wait(), received: () => undefined };
  const body = createIncomingBody({ ...options, declaredBytes: null, meter: ofDecoded });
  let start: Buffer | null = Buffer.alloc(0); // null once it is known how to read the body
  let decoder: Transform | null = null; // null if the body is not coded after all
  let reserved: Uint8Array = nothing;
  let codedBytes = 0;
  let decodedBytes = 0;
  let undecodedPieces = 0;
  let isCut: boolean | null = null; // null until all coded bytes have arrived

  const isOver = () => body.outcome !== null;

  /** Frees the decoder. */
  function free(): void {
    signal.removeEventListener("abort", onAbort);
    decoder?.destroy();
    lender.giveBack(reserved);
    reserved = nothing;
  }

  /** Ends the body with the bytes so far, and the exchange. */
  function finish(how: Parameters<IncomingBody["end"]>[0]): void {
    if (!isOver()) body.end(how);
    free();
    control.close();
  }

  /** Ends a body that cannot be decoded any further. */
  function fail(how: "truncated" | "too_large"): void {
    finish(body.received.byteLength === 0 ? "encoded" : how);
  }

  function onAbort(): void {
    pump();
    finish("timeout");
  }

  /** Decides how to read the body. */
  function begin(bytes: Buffer): void {
    start = null;
    if (coding === "gzip" && !isGzip(bytes)) {
      if (!isMedia(bytes)) return finish("encoded");
      body.write(bytes);
      return;
    }
    const lent = lender.lend(coding === "br" ? Math.max(workBytes, brotliWindowBytes(bytes)) : workBytes, nothing, 0);
    if (typeof lent === "string") return body.refuse(lent);
    reserved = lent;
    decoder = createDecoder(coding, bytes)
      .on("readable", pump)
      .on("drain", control.resume)
      .on("end", () => finish("complete"))
      // Z_BUF_ERROR: the coded bytes end too early.
      .on("error", ({ code }: NodeJS.ErrnoException) => (code === "Z_BUF_ERROR" ? finish : fail)("truncated"));
    decode(bytes);
  }

  function decode(bytes: Buffer): void {
    undecodedPieces += 1;
    decoder?.write(bytes, () => {
      undecodedPieces -= 1;
      endDecoder();
    });
  }

  /** Once everything is decoded, ends the decoder, which fails if the coded bytes are incomplete. */
  function endDecoder(): void {
    if (!decoder || isOver() || isCut === null || undecodedPieces > 0 || decoder.readableLength > 0) return;
    if (isCut) finish("truncated");
    else if (!decoder.writableEnded) decoder.end();
  }

  /** Moves decoded bytes into the body, as far as they are requested. */
  function pump(): void {
    while (decoder && !isOver() && !body.hasEnough) {
      const piece = decoder.read() as Buffer | null;
      if (!piece) break;
      decodedBytes += piece.length;
      if (decodedBytes > freeBytes + maxRatio * codedBytes) fail("too_large");
      // The body ends itself at its limit, and if there is no memory.
      else if (!body.write(piece)) finish("truncated");
    }
    endDecoder();
  }

  function pumped<Result>(result: Result): Result {
    pump();
    return result;
  }

  signal.addEventListener("abort", onAbort, { once: true });

  return {
    declaredBytes: null,

    get hasEnough() {
      return !isOver() && (body.hasEnough || (decoder?.writableNeedDrain ?? false));
    },

    get received() {
      return body.received;
    },

    get outcome() {
      return body.outcome;
    },

    write(chunk) {
      if (isOver()) return false;
      meter.received(chunk.length);
      codedBytes += chunk.length;
      if (start) {
        start = Buffer.concat([start, chunk]);
        if (start.length >= startBytes) begin(start);
      } else if (!decoder) {
        return body.write(chunk);
      } else if (codedBytes > maxBytes) {
        fail("too_large");
      } else {
        decode(Buffer.from(chunk));
      }
      return !isOver();
    },

    end(how) {
      if (isOver()) return;
      if (how === "timeout") return onAbort();
      if (start && start.length > 0) begin(start);
      if (!decoder) return finish(how);
      isCut = how !== "complete";
      endDecoder();
    },

    arrived: (bytes) => pumped(body.arrived(bytes)),
    body: () => pumped(body.body()),
    refuse: (code) => body.refuse(code),

    stop() {
      body.stop();
      free();
    },

    release() {
      free();
      body.release();
    },
  };
}

function createDecoder(coding: DecodableCoding, start: Buffer): Transform {
  const options = { chunkSize: pieceBytes };
  if (coding === "br") return createBrotliDecompress(options);
  if (coding === "gzip") return createGunzip(options);
  // RFC 9110 8.4.1.2: some servers send deflate without the zlib format around it.
  return isZlib(start) ? createInflate(options) : createInflateRaw(options);
}

function isGzip(start: Buffer): boolean {
  return start[0] === 0x1f && start[1] === 0x8b; // RFC 1952 2.3.1
}

function isZlib(start: Buffer): boolean {
  return start.length >= 2 && (start.readUInt8(0) & 0x0f) === 8 && start.readUInt16BE(0) % 31 === 0; // RFC 1950 2.2
}

/**
 * Whether bytes without a gzip signature may be a file that is not coded, in spite of its header.
 *
 * Each media format has a byte that is not printable ASCII in its first bytes, or is markup.
 */
function isMedia(start: Buffer): boolean {
  return /[^\t\n\r -~]|^\s*</.test(start.toString("latin1"));
}

/** Returns the size of the window of a Brotli stream, which its decoder allocates (RFC 7932 9.1, WBITS). */
function brotliWindowBytes(start: Buffer): number {
  const first = start.readUInt8(0);
  const [three, nextThree] = [(first >> 1) & 7, (first >> 4) & 7];
  if ((first & 1) === 0) return 2 ** 16;
  if (three > 0) return 2 ** (17 + three);
  return 2 ** (nextThree === 0 ? 17 : 8 + nextThree);
}
