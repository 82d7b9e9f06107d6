import type { Row } from "./format.ts";
import { afterTag, findTags, previewTags } from "./id3.ts";
import { countFramesMs, hasFrames, hasFramesBehindJunk, readAdtsFrame } from "./mpeg-frames.ts";
import { wholeFacts } from "./received.ts";
import { audio } from "./tracks.ts";

function isAdts(head: Uint8Array): boolean {
  const from = afterTag(head);
  return hasFrames(head, from, readAdtsFrame) || (from > 0 && hasFramesBehindJunk(head, from, readAdtsFrame));
}

/** Duration of a whole file; null without frames. For workers. */
export function countAdtsMs(body: Uint8Array): number | null {
  return countFramesMs(body, findTags({ prefix: body, parts: [], length: body.length }).end, readAdtsFrame);
}

export const aac = {
  type: "audio/aac",
  kind: "audio",
  readsTags: true,
  matches: isAdts,
  matchesBehindJunk: (head) => hasFramesBehindJunk(head, 0, readAdtsFrame),
  aliases: ["audio/aacp", "audio/x-aac", "audio/x-hx-aac-adts"],
  isSometimesUnmarked: true, // streams cut out of the middle; LOAS
  // A frame has only its own length, so the duration takes all of them.
  plan: { facts: wholeFacts, preview: previewTags },
  decoding: { ...audio, reader: "mpeg-audio" },
} as const satisfies Row;
