import { constants, gunzipSync, inflateRawSync } from "node:zlib";

const maxOutputBytes = 64 * 1024;
// Of the compressed bytes. The root element of a drawing mostly begins in its first kilobyte.
const compressedBytes = { most: 4096, least: 256 };

/** The compressed bytes of which the beginning is inflated. */
export function compressedBeginning(bytes: Uint8Array): Uint8Array {
  return bytes.subarray(0, compressedBytes.most);
}

/**
 * Inflates the beginning of gzip (RFC 1952) or raw deflate (RFC 1951), to at most 64 KiB; null if it is damaged.
 *
 * A decompression bomb has a thousand times its own size. zlib throws beyond the limit and returns no part, so the
 * input is halved until the output fits. Text with a compression ratio below 16 fits at the first try.
 */
export function inflateBeginning(bytes: Uint8Array, coding: "gzip" | "deflate"): Uint8Array | null {
  const inflate = coding === "gzip" ? gunzipSync : inflateRawSync;
  const compressed = compressedBeginning(bytes);
  // An end that is missing is no fault.
  const options = { finishFlush: constants.Z_SYNC_FLUSH, maxOutputLength: maxOutputBytes };
  for (let most = compressed.length; most >= Math.min(compressed.length, compressedBytes.least); most >>= 1) {
    try {
      return inflate(compressed.subarray(0, most), options);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "ERR_BUFFER_TOO_LARGE") return null;
    }
  }
  return null;
}
