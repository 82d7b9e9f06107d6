import { hasAt } from "./bytes.ts";
import type { Row } from "./format.ts";
import { afterTag } from "./mpeg-audio.ts";
import { audio } from "./tracks.ts";

export const flac = {
  type: "audio/flac",
  kind: "audio",
  matches: (head) => hasAt(head, afterTag(head), "fLaC"), // RFC 9639 6; some encoders put an ID3 tag first
  aliases: ["audio/x-flac"],
  decoding: audio,
} as const satisfies Row;
