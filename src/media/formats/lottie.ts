import type { Row } from "./format.ts";
import { gunzippedHead } from "./svg.ts";

// The keys stand before the layers.
const searchedBytes = 2048;
// Lottie Animation Community, specification 1.0: the frame rate, the first and the last frame.
const keys = [/"fr"\s*:\s*\d/, /"ip"\s*:\s*-?\d/, /"op"\s*:\s*\d/];

/** Telegram's animated sticker: a gzipped Lottie animation. Most have a first key `tgs` (core.telegram.org/stickers). */
function isSticker(head: Uint8Array): boolean {
  const text = Buffer.from(gunzippedHead(head)?.subarray(0, searchedBytes) ?? []).toString("latin1");
  return /^\s*\{\s*"/.test(text) && (/"tgs"\s*:\s*\d/.test(text) || keys.every((key) => key.test(text)));
}

export const tgs = {
  type: "application/x-tgsticker",
  kind: "archive",
  matches: isSticker,
  aliases: ["application/gzip", "application/x-gzip"],
} as const satisfies Row;
