import { type FormatName, type MeasuredName, formats } from "../../src/media/formats/index.ts";
import type { ReadPlan } from "../../src/media/formats/plan.ts";

function measuredNames(...kinds: readonly string[]): readonly MeasuredName[] {
  const measured = formats.filter(({ kind, readSize, decoding }) => kinds.includes(kind) && (readSize ?? decoding));
  return measured.map(({ name }) => name as MeasuredName);
}

/** The formats of pictures and documents with a read plan. */
export const pictureNames = measuredNames("image", "document");

/** The formats of audio and video. */
export const trackNames = measuredNames("video", "audio");

/** Those whose facts are in a header, and whose preview is made of their first bytes. */
export const headerNames = [
  ...(["flv", "asf-video", "asf-audio", "asf", "mpeg-ts", "mpeg-ps", "mpeg1-ps", "mpeg-video"] as const),
  ...(["caf", "au", "wavpack", "ape", "musepack", "tta", "ac3", "eac3"] as const),
];

/** The read plan of a format. */
export function planNamed(name: FormatName): ReadPlan {
  return formats.find((format) => format.name === name)!.plan;
}
