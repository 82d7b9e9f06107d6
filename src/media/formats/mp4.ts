import { memoized } from "./bytes.ts";
import type { Row } from "./format.ts";
import { brandsIn, firstBox, readTracks } from "./isobmff.ts";
import { audio, video } from "./tracks.ts";

const tracksIn = memoized(readTracks);

function isMp4Audio(head: Uint8Array): boolean {
  const [major] = brandsIn(head);
  if (major === undefined || major === "qt  ") return false;
  if (["M4A ", "M4B ", "M4P "].includes(major)) return true;
  const { hasVideo, hasAudio } = tracksIn(head);
  return hasAudio === true && hasVideo === false;
}

export const m4a = {
  type: "audio/mp4",
  kind: "audio",
  matches: isMp4Audio,
  aliases: ["audio/x-m4a", "audio/m4a", "audio/x-m4b", "audio/aac", "audio/x-hx-aac-adts", "video/mp4"],
  decoding: audio,
} as const satisfies Row;

export const threeGpp = {
  type: "video/3gpp",
  kind: "video",
  matches: (head) => /^3g[2egprst]/.test(brandsIn(head)[0] ?? ""), // 3GPP TS 26.244, 5.4
  aliases: ["video/3gpp2", "video/3gp", "video/mp4"],
  refinedBy: /^audio\/(?:3gpp2?|mp4)$/,
  decoding: video,
} as const satisfies Row;

export const mp4 = {
  type: "video/mp4",
  kind: "video",
  matches: (head) => brandsIn(head).length > 0 && tracksIn(head).hasVideo === true, // ISO/IEC 14496-14
  aliases: ["application/mp4", "video/x-m4v", "video/m4v"],
  decoding: video,
} as const satisfies Row;

/** The tracks are beyond the head: most such files are videos. */
export const isobmff = {
  type: "video/mp4",
  kind: "video",
  matches: (head) => brandsIn(head).length > 0 || firstBox(head) === "styp", // ISO/IEC 14496-12, 4.3 and 8.16.2
  aliases: ["application/mp4", "video/x-m4v", "video/m4v"],
  refinedBy: /^(?:audio\/(?:mp4|x-m4a|m4a|aac)|video\/iso\.segment|image\/x-canon-cr3|application\/.*)$/,
  decoding: video,
} as const satisfies Row;
