import { latin1 } from "../heads.ts";
import { chunk } from "../track-bytes.ts";

export const concat = (parts: readonly Uint8Array[]) => Buffer.concat(parts);
/** Version and flags. */
export const full = Buffer.alloc(4);
/** Content between parts that lie far apart, so that they are read in ranges. */
export const far = Buffer.alloc(400_000, 1);

export const riff = (form: string, ...chunks: readonly Buffer[]) => chunk("RIFF", concat([latin1(form), ...chunks]));

/** A tag in front of a file, of zeros behind a text. */
export const id3 = (bytes: number, text = "") =>
  concat([
    latin1("ID3\x04\0\0"),
    Buffer.from([0, 0, bytes >> 7, bytes & 127]),
    Buffer.alloc(bytes, `${text}\0`, "latin1"),
  ]);
