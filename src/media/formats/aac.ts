import type { Row } from "./format.ts";
import { afterTag, previewTags } from "./id3.ts";
import { hasFrames, readAdtsFrame } from "./mpeg-frames.ts";
import { wholeFacts } from "./received.ts";
import { audio } from "./tracks.ts";

function isAdts(head: Uint8Array): boolean {
  return hasFrames(head, afterTag(head), readAdtsFrame);
}

export const aac = {
  type: "audio/aac",
  kind: "audio",
  readsTags: true,
  matches: isAdts,
  aliases: ["audio/aacp", "audio/x-aac", "audio/x-hx-aac-adts"],
  isSometimesUnmarked: true, // streams cut out of the middle; LOAS
  // A frame has only its own length, so the duration takes all of them.
  plan: { facts: wholeFacts, preview: previewTags },
  decoding: audio,
} as const satisfies Row;
