import { hasAt, readText, readUint32 } from "./bytes.ts";

/**
 * A PNG without its texts (W3C PNG 3, 11.3.3), which libpng unpacks whether or not they are asked for: 8 kB may be 8 MB, a
 * thousand times over, and no estimate sees them.
 *
 * @param body is changed: what is kept moves to its front
 * @returns the part of `body` that is left
 */
export function withoutTexts(body: Uint8Array): Uint8Array {
  if (!hasAt(body, 1, "PNG")) return body;
  let chunk = 8;
  let end = 8; // of what is kept
  while (chunk + 12 <= body.length) {
    const next = chunk + 12 + readUint32(body, chunk);
    if (next > body.length) break; // cut off: it stays, to be seen
    if (!["tEXt", "zTXt", "iTXt"].includes(readText(body, chunk + 4, 4))) {
      body.copyWithin(end, chunk, next);
      end += next - chunk;
    }
    chunk = next;
  }
  body.copyWithin(end, chunk);
  return body.subarray(0, end + body.length - chunk);
}
