import { hasAt, readText, readUint32 } from "./bytes.ts";

/**
 * Strips the texts of a PNG (W3C PNG 3, 11.3.3): decompression bombs, since libpng always inflates them. 8 kB may be
 * 8 MB, a thousand times in a file, and no estimate covers them.
 *
 * @param body is changed: the kept chunks move to its front
 * @returns the part of `body` that is left
 */
export function withoutTexts(body: Uint8Array): Uint8Array {
  if (!hasAt(body, 1, "PNG")) return body;
  let chunk = 8;
  let end = 8; // of the kept chunks
  while (chunk + 12 <= body.length) {
    const next = chunk + 12 + readUint32(body, chunk);
    if (next > body.length) break; // cut off: it stays, to be seen
    if (!["tEXt", "zTXt", "iTXt"].includes(readText(body, chunk + 4, 4))) {
      if (end < chunk) body.copyWithin(end, chunk, next);
      end += next - chunk;
    }
    chunk = next;
  }
  if (end < chunk) body.copyWithin(end, chunk);
  return body.subarray(0, end + body.length - chunk);
}
