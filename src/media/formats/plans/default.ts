import type { Format } from "../index.ts";
import type { ReadPlan, ReceivedFile } from "../plan.ts";

// Profiles, previews and other segments before a frame header are 64 KiB each; more than a few are not met.
const maxSizeBytes = 256 * 1024;

/** The plan of a format without one of its own: the size in the header, and everything else from the whole file. */
export function wholePlan({ readSize, decoding }: Format): ReadPlan {
  const isWhole = ({ prefix, length }: ReceivedFile) => prefix.byteLength === length;
  return {
    facts(file) {
      const size = readSize?.(file.prefix.subarray(0, maxSizeBytes)) ?? null;
      const isMeasured = decoding !== null && "load" in decoding;
      const known = size ? { width: size.width, height: size.height } : {};
      if (isWhole(file)) return { known, measurable: isMeasured ? file.prefix : null, need: null };
      if (readSize && !size && file.prefix.byteLength < maxSizeBytes) {
        return { known, measurable: null, need: { prefix: Math.min(maxSizeBytes, 2 * file.prefix.byteLength + 1) } };
      }
      return { known, measurable: null, need: decoding ? "whole" : null };
    },
    preview: (file) => ({ excerpt: null, need: isWhole(file) ? null : "whole" }),
  };
}
