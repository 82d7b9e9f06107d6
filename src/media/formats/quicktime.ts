import type { Row } from "./format.ts";
import { brandsIn, firstBox } from "./isobmff.ts";
import { isobmffPlan } from "./mp4.ts";
import { video } from "./tracks.ts";

/** Whether a QuickTime file has no brand: the oldest ones begin with any atom (QuickTime File Format). */
export function isUnbranded(head: Uint8Array): boolean {
  return ["moov", "mdat", "wide", "free", "skip", "pnot"].includes(firstBox(head));
}

export const mov = {
  type: "video/quicktime",
  kind: "video",
  matches: (head) => brandsIn(head)[0] === "qt  " || isUnbranded(head),
  plan: isobmffPlan,
  decoding: video,
} as const satisfies Row;
