import { createWorkBudget, hasAt } from "./bytes.ts";

const videoCodecs = ["\x80theora", "\x01video", "BBCD\0"]; // Theora I 6.2, OGM, Dirac
const audioCodecs = ["\x01vorbis", "OpusHead", "\x7fFLAC", "Speex   "]; // Vorbis I 4.2.1, RFC 7845 5.1, FLAC, Speex

/** What the streams of an Ogg file hold, told from their first packets; null where it is no Ogg (RFC 3533 6). */
export function readOgg(head: Uint8Array): "audio" | "video" | "unknown" | null {
  if (!hasAt(head, 0, "OggS\0")) return null;
  let answer: "audio" | "unknown" = "unknown";
  const work = createWorkBudget();
  let at = 0;
  // Every stream's first page comes before any other page, and says so.
  while (hasAt(head, at, "OggS\0") && ((head[at + 5] ?? 0) & 2) !== 0 && work.step()) {
    const segments = head[at + 26] ?? 0;
    const packet = at + 27 + segments;
    if (videoCodecs.some((codec) => hasAt(head, packet, codec))) return "video";
    if (audioCodecs.some((codec) => hasAt(head, packet, codec))) answer = "audio";
    at = packet + head.subarray(at + 27, packet).reduce((sum, length) => sum + length, 0);
  }
  return answer;
}
