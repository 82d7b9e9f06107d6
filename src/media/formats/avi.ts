import type { Row } from "./format.ts";
import { riff } from "./riff.ts";
import { video } from "./tracks.ts";

export const avi = {
  type: "video/x-msvideo",
  kind: "video",
  matches: riff("AVI "), // Microsoft, AVI RIFF File Reference
  aliases: ["video/avi", "video/msvideo", "video/vnd.avi"],
  decoding: { ...video, reader: "avi" },
} as const satisfies Row;
