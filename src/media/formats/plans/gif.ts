import { hasAt } from "../bytes.ts";
import type { ReadPlan } from "../plan.ts";
import { readGifSize } from "../gif.ts";
import { foundPreview, isWhole, knownFacts, missingFacts, missingPreview, needMore } from "./received.ts";

// GIF89a specification: 23 the trailer, 20 the image descriptor, 24 to 26 extensions.
const [trailer, imageDescriptor, extension] = [0x3b, 0x2c, 0x21];
const descriptorBytes = 10;
// Colour tables stand behind the descriptors with this flag (18 and 20).
const hasTable = 0x80;
// Behind the signature, 17, and the logical screen descriptor, 18.
const screenEnd = 13;

// A step skips a sub-block of at most 255 bytes and takes 2 to 4 ns: a frame of 2 MB has 8,000, and the 2^20 are 267 MB of
// encoder's blocks, more than a body may have, or 2 MB of hostile ones of a byte, in 4 ms.
const maxSteps = 2 ** 20;

interface Images {
  /** Where the first image ends; null if its end has not arrived. */
  readonly firstEnd: number | null;
  /** Whether there is a second; null if that is not known from these bytes. */
  readonly animated: boolean | null;
  /** False if these are no blocks of a GIF, or too many. */
  readonly canContinue: boolean;
}

function tableBytes(flags: number): number {
  return (flags & hasTable) === 0 ? 0 : 3 * 2 ** ((flags & 7) + 1);
}

/** Walks the blocks up to the second image descriptor or the trailer. */
function findImages(head: Uint8Array): Images {
  let firstEnd: number | null = null;
  let steps = 0;
  let at = screenEnd + tableBytes(head[screenEnd - 3] ?? 0);
  while (at < head.length) {
    const block = head[at];
    if (block === trailer) return { firstEnd, animated: false, canContinue: false };
    if (block === imageDescriptor && firstEnd !== null) return { firstEnd, animated: true, canContinue: false };
    if (block !== imageDescriptor && block !== extension) return { firstEnd, animated: null, canContinue: false };
    // A descriptor, its colours and the size of a code; or a label (22 and 23).
    at += block === extension ? 2 : descriptorBytes + tableBytes(head[at + descriptorBytes - 1] ?? 0) + 1;
    for (let bytes = head[at] ?? 0; bytes !== 0; bytes = head[at] ?? 0) {
      if ((steps += 1) > maxSteps) return { firstEnd, animated: null, canContinue: false };
      at += 1 + bytes;
    }
    at += 1; // the block of no bytes that ends the list
    if (at <= head.length && block === imageDescriptor) firstEnd = at;
    if ((steps += 1) > maxSteps) return { firstEnd, animated: null, canContinue: false };
  }
  return { firstEnd, animated: null, canContinue: true };
}

/** The facts up to the second image; the preview through the first one, which later ones do not change. */
export const gifPlan: ReadPlan = {
  facts(file) {
    const { prefix } = file;
    const size = readGifSize(prefix);
    const { firstEnd, animated, canContinue } = findImages(prefix);
    const isLast = isWhole(file) && firstEnd !== null && canContinue; // without a trailer, as some encoders end
    const known = {
      ...size,
      ...(animated !== null && firstEnd !== null && { animated }),
      ...(isLast && { animated: false }),
    };
    if (size && "animated" in known) return knownFacts(known);
    return missingFacts(file, known, canContinue ? needMore(file) : "whole");
  },

  preview(file) {
    const { prefix } = file;
    const { firstEnd, canContinue } = findImages(prefix);
    if (firstEnd === null || !hasAt(prefix, 0, "GIF8"))
      return missingPreview(file, canContinue ? needMore(file) : "whole");
    return foundPreview(Buffer.concat([prefix.subarray(0, firstEnd), Uint8Array.of(trailer)]));
  },
};
