import type { Size } from "../raster.ts";
import type { Need, ReadPlan, ReceivedFile } from "./plan.ts";
import { isWhole, knownFacts, missingFacts, needMore, noPreview, wholePreview } from "./received.ts";

export interface WholeOptions {
  /** Null if the bytes do not have the size. Bounded work, never throws. */
  readonly readSize?: (body: Uint8Array) => Size | null;
  /** Absent if the format has no such fact. */
  readonly readAnimated?: (body: Uint8Array) => boolean | null;
  /** False if the format cannot be decoded. */
  readonly hasPreview?: boolean;
}

// Some parsers read zeros behind the end of the bytes. Headers at fixed offsets end before this.
const leastBytes = 1024;
// Profiles, previews and other data before a header are 64 KiB each; more than a few are not met.
const maxHeaderBytes = 256 * 1024;

/** The bytes among which headers are searched. */
export function headerOf({ prefix }: ReceivedFile): Uint8Array {
  return prefix.subarray(0, maxHeaderBytes);
}

/** The beginning of a file as a parser of headers takes it; null if too little has arrived. */
export function headerBytes(file: ReceivedFile): Uint8Array | null {
  if (isWhole(file)) return file.prefix;
  return file.prefix.length < leastBytes ? null : file.prefix.subarray(0, maxHeaderBytes);
}

/** The bytes for facts in a header that has not been found yet. */
export function needHeader(file: ReceivedFile): Need | null {
  return file.prefix.length < maxHeaderBytes ? needMore(file) : "whole";
}

/** The plan of a format whose facts are in its header, and whose preview is made of the whole file. */
export function createWholePlan({ readSize, readAnimated, hasPreview = true }: WholeOptions): ReadPlan {
  return {
    facts(file) {
      const header = headerBytes(file);
      const size = header && readSize?.(header);
      const animated = header && readAnimated?.(header);
      const known = {
        ...(size && { width: size.width, height: size.height }),
        ...(typeof animated === "boolean" && { animated }),
      };
      const isKnown = size && (!readAnimated || typeof animated === "boolean");
      return isKnown ? knownFacts(known) : missingFacts(file, known, readSize ? needHeader(file) : "whole");
    },
    preview: (file) => (hasPreview ? wholePreview(file) : noPreview()),
  };
}
