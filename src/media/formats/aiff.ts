import { all, any, at } from "./bytes.ts";
import type { Row } from "./format.ts";
import { audio } from "./tracks.ts";

export const aiff = {
  type: "audio/aiff",
  kind: "audio",
  matches: all(at(0, "FORM"), any(at(8, "AIFF"), at(8, "AIFC"))), // Apple, Audio Interchange File Format
  aliases: ["audio/x-aiff"],
  decoding: { ...audio, reader: "aiff" },
} as const satisfies Row;
