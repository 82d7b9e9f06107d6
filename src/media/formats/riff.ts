import { type Test, all, at, readText, readUint32LE } from "./bytes.ts";

// Of AIFF too, whose numbers are big-endian.
export const formHeaderBytes = 12;
export const chunkHeaderBytes = 8;

/** A RIFF file of this form: four letters after the length (Microsoft, Multimedia Programming Interface 1.0). */
export function riff(form: string): Test {
  return all(at(0, "RIFF"), at(8, form));
}

/** A chunk of a RIFF file. Its content may be cut. */
export interface RiffChunk {
  readonly type: string;
  /** Offsets of its content. */
  readonly start: number;
  readonly end: number;
  /** Offset of the next chunk: chunks begin at even offsets. */
  readonly next: number;
}

/** Reads the header of the chunk at an offset, which has arrived. */
export function readRiffChunk(bytes: Uint8Array, at: number): RiffChunk {
  const start = at + chunkHeaderBytes;
  const end = start + readUint32LE(bytes, at + 4);
  return { type: readText(bytes, at, 4), start, end, next: end + (end % 2) };
}
