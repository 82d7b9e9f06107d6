import { all, at } from "./bytes.ts";
import type { Row } from "./format.ts";

export const caf = {
  type: "audio/x-caf",
  kind: "audio",
  // Apple, Core Audio Format Specification: version 1, no flags; the audio description is the first chunk
  matches: all(at(0, "caff\0\x01\0\0"), at(8, "desc\0\0\0\0\0\0\0\x20")),
  aliases: ["audio/caf", "audio/x-caff"],
} as const satisfies Row;
