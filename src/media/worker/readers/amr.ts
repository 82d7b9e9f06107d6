import { createDurationMs } from "../../../domain/size.ts";
import { hasAt } from "../../formats/bytes.ts";
import type { Facts } from "../../protocol.ts";
import { type Reader, UnreadableError } from "../reader.ts";

// Bytes of a frame by its type, the header included (RFC 4867 5.3; 3GPP TS 26.101 and 26.201).
const narrowBytes = [13, 14, 16, 18, 20, 21, 27, 32, 6];
const wideBytes = [18, 24, 33, 37, 41, 47, 51, 59, 61, 6];
const emptyFrameBytes = 1;
const frameMs = 20;

/** Adaptive multi-rate speech: as long as it has frames. */
export const reader: Reader = {
  // eslint-disable-next-line @typescript-eslint/require-await -- what it throws is a rejection
  measure: async (body, isWhole) => measure(body, isWhole),
  show: () => Promise.resolve(null),
};

function measure(body: Uint8Array, isWhole: boolean): Facts {
  const isWide = hasAt(body, 0, "#!AMR-WB\n");
  const frameBytes = isWide ? wideBytes : narrowBytes;
  let frames = 0;
  for (let at = isWide ? 9 : 6; at < body.length; frames += 1) {
    at += frameBytes[((body[at] ?? 0) >> 3) & 15] ?? emptyFrameBytes;
  }
  if (frames === 0) throw new UnreadableError("no frames");
  return { width: null, height: null, animated: null, durationMs: isWhole ? createDurationMs(frames * frameMs) : null };
}
