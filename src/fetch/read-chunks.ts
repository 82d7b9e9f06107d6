/** Reads a body in chunks (RFC 9112 7.1); skips extensions and trailers. */
export interface ChunkReader {
  /** Takes the next bytes, in which it moves the data together; returns the data. */
  push(bytes: Buffer): Buffer;
  /** Whether the last chunk and the trailers are read. */
  readonly isComplete: boolean;
  /** Why the body is cut here, after the data so far; null if it is not. */
  readonly refusal: string | null;
}

// Limit of bytes that are no data: chunk sizes, extensions and trailers. Two more are allowed per byte of data. A chunk
// of one byte has five: 85,000 such chunks are read.
const maxOverheadBytes = 256 * 1024;
const maxOverheadPerDataByte = 2;

const maxTrailerBytes = 64 * 1024; // as for heads

const maxChunkBytes = 2 ** 64; // sizes beyond 2^53 are inexact, but no such chunk is read to its end

const [tab, lineFeed, carriageReturn, space, semicolon] = [0x09, 0x0a, 0x0d, 0x20, 0x3b];

type State =
  | "size" // blanks, digits
  | "padding" // blanks after the digits
  | "extension" // the rest of the line is skipped
  | "size-lf"
  | "data"
  | "data-end" // CR LF, or LF
  | "data-lf"
  | "trailer" // at the start of a line
  | "trailer-cr" // after a CR at the start of a line
  | "trailer-line"
  | "done"; // what follows is no part of the response

export function createChunkReader(): ChunkReader {
  let refusal: string | null = null;
  let state: State = "size";
  let digits = 0;
  let size = 0; // of the current chunk; then the rest of it
  let overheadBytes = 0; // trailers included
  let trailerBytes = 0;
  let dataBytes = 0;

  function refuse(why = "malformed chunks"): State {
    refusal = why;
    return "done";
  }

  function endSizeLine(): State {
    if (digits === 0) return refuse();
    digits = 0;
    return size === 0 ? "trailer" : "data";
  }

  function readSize(byte: number): State {
    const digit = hexDigit(byte);
    if (digit === null) {
      if (digits > 0) return readSizeEnd(byte);
      return isBlank(byte) ? "size" : refuse();
    }
    size = size * 16 + digit;
    digits += 1;
    return size < maxChunkBytes ? "size" : refuse();
  }

  function readSizeEnd(byte: number): State {
    if (isBlank(byte)) return "padding";
    if (byte === semicolon) return "extension";
    if (byte === carriageReturn) return "size-lf";
    return byte === lineFeed ? endSizeLine() : refuse();
  }

  function readTrailer(byte: number): State {
    trailerBytes += 1;
    if (trailerBytes > maxTrailerBytes) return refuse("trailers of more than 64 KiB");
    const isLineEmpty = state !== "trailer-line";
    if (byte === lineFeed) return isLineEmpty ? "done" : "trailer";
    return byte === carriageReturn && state === "trailer" ? "trailer-cr" : "trailer-line";
  }

  /** Reads one byte that is no data; returns the next state. */
  function step(byte: number): State {
    switch (state) {
      case "size":
        return readSize(byte);
      case "padding":
        return readSizeEnd(byte);
      case "extension":
        return byte === lineFeed ? endSizeLine() : "extension";
      case "size-lf":
        return byte === lineFeed ? endSizeLine() : refuse();
      case "data-end":
        if (byte === carriageReturn) return "data-lf";
        return byte === lineFeed ? "size" : refuse();
      case "data-lf":
        return byte === lineFeed ? "size" : refuse();
      case "trailer":
      case "trailer-cr":
      case "trailer-line":
        return readTrailer(byte);
      case "data":
      case "done":
        return state;
    }
  }

  /** Reads all bytes; returns their data, moved together if it is of several chunks. */
  function readData(bytes: Buffer): Buffer {
    let from = 0;
    let to = 0; // data is in bytes[from, to)
    let at = 0;
    while (at < bytes.length && state !== "done") {
      if (state !== "data") {
        state = step(bytes.readUInt8(at));
        at += 1;
        overheadBytes += 1;
        continue;
      }
      const taken = Math.min(size, bytes.length - at);
      if (from === to) from = to = at;
      else bytes.copyWithin(to, at, at + taken);
      to += taken;
      at += taken;
      size -= taken;
      if (size === 0) state = "data-end";
    }
    return bytes.subarray(from, to);
  }

  return {
    get refusal() {
      return refusal;
    },

    get isComplete() {
      return state === "done" && refusal === null;
    },

    push(bytes) {
      const data = readData(bytes);
      dataBytes += data.length;
      if (overheadBytes > maxOverheadBytes + maxOverheadPerDataByte * dataBytes) {
        state = refuse("more chunk overhead than data");
      }
      return data;
    },
  };
}

function isBlank(byte: number): boolean {
  return byte === space || byte === tab;
}

function hexDigit(byte: number): number | null {
  if (byte >= 0x30 && byte <= 0x39) return byte - 0x30;
  const lower = byte | 0x20;
  return lower >= 0x61 && lower <= 0x66 ? lower - 0x57 : null;
}
