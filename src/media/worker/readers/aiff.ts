import { createDurationMs } from "../../../domain/size.ts";
import { readText, readUint16, readUint32 } from "../../formats/bytes.ts";
import type { Facts } from "../../protocol.ts";
import { type Reader, UnreadableError } from "../reader.ts";

const maxChunks = 4096;

/** Apple's Audio Interchange File Format: how many samples there are, and how many a second. */
export const reader: Reader = {
  // eslint-disable-next-line @typescript-eslint/require-await -- what it throws is a rejection
  measure: async (body) => measure(body),
  show: () => Promise.resolve(null),
};

function measure(body: Uint8Array): Facts {
  let at = 12;
  for (let count = 0; at + 8 <= body.length && count < maxChunks; count += 1) {
    const bytes = readUint32(body, at + 4);
    if (readText(body, at, 4) === "COMM") {
      const seconds = readUint32(body, at + 10) / readExtended(body, at + 16);
      return {
        width: null,
        height: null,
        animated: null,
        durationMs: createDurationMs(seconds * 1000),
      };
    }
    at += 8 + bytes + (bytes % 2);
  }
  throw new UnreadableError("no common chunk");
}

/** IEEE 754 in 80 bits: an exponent, then a mantissa whose first bit is before the point. */
function readExtended(body: Uint8Array, at: number): number {
  const exponent = (readUint16(body, at) & 0x7fff) - 16383;
  return (readUint32(body, at + 2) + readUint32(body, at + 6) / 2 ** 32) * 2 ** (exponent - 31);
}
