import { createWorkBudget, hasAt, memoized } from "./bytes.ts";
import type { Row } from "./format.ts";
import { audio, video } from "./tracks.ts";

const videoCodecs = ["\x80theora", "\x01video", "BBCD\0"]; // Theora I 6.2, OGM, Dirac
const audioCodecs = ["\x01vorbis", "OpusHead", "\x7fFLAC", "Speex   "]; // Vorbis I 4.2.1, RFC 7845 5.1, FLAC, Speex

/** Sniffs the kind of an Ogg file from the first packets of its streams; null if it is no Ogg (RFC 3533 6). */
export function readOgg(head: Uint8Array): "audio" | "video" | "unknown" | null {
  if (!hasAt(head, 0, "OggS\0")) return null;
  let answer: "audio" | "unknown" = "unknown";
  const work = createWorkBudget();
  let at = 0;
  // The first pages of all streams precede any other page, and have a flag.
  while (hasAt(head, at, "OggS\0") && ((head[at + 5] ?? 0) & 2) !== 0 && work.step()) {
    const segments = head[at + 26] ?? 0;
    const packet = at + 27 + segments;
    if (videoCodecs.some((codec) => hasAt(head, packet, codec))) return "video";
    if (audioCodecs.some((codec) => hasAt(head, packet, codec))) answer = "audio";
    at = packet + head.subarray(at + 27, packet).reduce((sum, length) => sum + length, 0);
  }
  return answer;
}

const oggIn = memoized(readOgg);

export const oggVideo = {
  type: "video/ogg",
  kind: "video",
  matches: (head) => oggIn(head) === "video", // RFC 5334
  aliases: ["application/ogg"],
  decoding: { ...video, reader: "ogg" },
} as const satisfies Row;

export const oggAudio = {
  type: "audio/ogg",
  kind: "audio",
  matches: (head) => oggIn(head) === "audio",
  aliases: ["application/ogg", "audio/opus", "audio/x-opus+ogg", "audio/vorbis", "audio/x-vorbis+ogg"],
  decoding: { ...audio, reader: "ogg" },
} as const satisfies Row;

export const ogg = {
  type: "application/ogg",
  kind: "audio",
  matches: (head) => oggIn(head) === "unknown",
  refinedBy: /^(?:audio|video)\/(?:x-)?(?:ogg|opus|vorbis|speex|theora|flac)/,
  decoding: { ...audio, reader: "ogg" },
} as const satisfies Row;
