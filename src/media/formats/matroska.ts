import { memoized } from "./bytes.ts";
import { readMatroska } from "./ebml.ts";
import type { Row } from "./format.ts";
import { audio, video } from "./tracks.ts";

const matroskaIn = memoized(readMatroska);

function isMatroska(head: Uint8Array, docType: string, tracks: "audio" | "any"): boolean {
  const file = matroskaIn(head);
  if (file?.docType !== docType) return false;
  return tracks === "any" || (file.hasAudio && !file.hasVideo);
}

export const webmAudio = {
  type: "audio/webm",
  kind: "audio",
  matches: (head) => isMatroska(head, "webm", "audio"), // RFC 9559; webmproject.org, container guidelines
  aliases: ["video/webm"],
  decoding: audio,
} as const satisfies Row;

export const webm = {
  type: "video/webm",
  kind: "video",
  matches: (head) => isMatroska(head, "webm", "any"),
  decoding: video,
} as const satisfies Row;

export const matroskaAudio = {
  type: "audio/x-matroska",
  kind: "audio",
  matches: (head) => isMatroska(head, "matroska", "audio"), // RFC 9559
  aliases: ["audio/matroska", "video/x-matroska", "video/matroska"],
  decoding: audio,
} as const satisfies Row;

export const matroska = {
  type: "video/x-matroska",
  kind: "video",
  matches: (head) => isMatroska(head, "matroska", "any"),
  aliases: ["video/matroska", "video/matroska-3d", "application/x-matroska"],
  decoding: video,
} as const satisfies Row;
