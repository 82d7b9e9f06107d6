import { createDurationMs } from "../../../domain/size.ts";
import { readDolbyFrame } from "../../formats/ac3.ts";
import type { Facts } from "../../protocol.ts";
import { type Reader, UnreadableError, noSize } from "../reader.ts";

/** AC-3 and E-AC-3: the samples of all frames. */
export const reader: Reader = {
  // eslint-disable-next-line @typescript-eslint/require-await -- an error becomes a rejection
  measure: async (body, isWhole) => measure(body, isWhole),
  show: () => Promise.resolve(null),
};

function measure(body: Uint8Array, isWhole: boolean): Facts {
  let seconds = 0;
  for (let at = 0, frame = readDolbyFrame(body, at); frame; frame = readDolbyFrame(body, at)) {
    seconds += frame.samples / frame.rate;
    at += frame.bytes;
  }
  if (seconds === 0) throw new UnreadableError("no frames");
  return { ...noSize, animated: null, durationMs: isWhole ? createDurationMs(seconds * 1000) : null };
}
