import type { Need, PreviewStep } from "./plan.ts";
import { foundPreview, noPreview } from "./received.ts";

// The worker decodes the poster from the beginning of a video: the first frame that is not black, within so many
// seconds and bytes. An excerpt with all of them has the same poster as the file.
export const clipSeconds = 10;
export const maxMediaBytes = 4 * 1024 ** 2;

/** Enough for the poster of a video that does not begin with black frames: its first frame. */
export const usualSeconds = 2;

// Reading so many bytes more is cheaper than decoding a second excerpt.
const smallBytes = 256 * 1024;

/** An excerpt that can be made once its bytes are there. */
export interface ExcerptStep {
  /** Null if bytes are missing. */
  readonly make: () => Uint8Array | null;
  /** Null if the bytes are there, or will not come. */
  readonly need: Need | null;
  /** Offset in the file of its last byte; null if unknown. */
  readonly end: number | null;
}

/** The excerpt up to the usual poster first, then the one up to the latest poster, unless they are about the same. */
export function previewInSteps(usual: ExcerptStep, latest: ExcerptStep): PreviewStep {
  const exact = latest.need === null ? latest.make() : null;
  if (exact) return foundPreview(exact);
  const isOneStep = usual.end !== null && latest.end !== null && latest.end - usual.end <= smallBytes;
  if (isOneStep) return noPreview(latest.need);
  const close = usual.need === null ? usual.make() : null;
  return { excerpt: close && { bytes: close, accuracy: "close" }, need: close ? latest.need : usual.need };
}
