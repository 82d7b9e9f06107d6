import { any, at } from "./bytes.ts";
import type { Row } from "./format.ts";
import { noPreview, wholeFacts } from "./received.ts";
import { audio } from "./tracks.ts";

export const amr = {
  type: "audio/amr",
  kind: "audio",
  matches: any(at(0, "#!AMR\n"), at(0, "#!AMR-WB\n")), // RFC 4867 5
  aliases: ["audio/amr-wb", "audio/3gpp"],
  plan: { facts: wholeFacts, preview: () => noPreview() },
  decoding: { ...audio, reader: "amr" },
} as const satisfies Row;
