import { all, any, at } from "./bytes.ts";
import type { Row } from "./format.ts";
import { riff } from "./riff.ts";
import { audio } from "./tracks.ts";

export const wav = {
  type: "audio/wav",
  kind: "audio",
  matches: any(riff("WAVE"), all(at(0, "RF64"), at(8, "WAVE"))), // RFC 2361; EBU Tech 3306 for RF64
  aliases: ["audio/x-wav", "audio/wave", "audio/vnd.wave", "audio/x-pn-wav"],
  decoding: audio,
} as const satisfies Row;
