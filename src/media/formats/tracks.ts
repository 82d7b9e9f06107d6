import type { Decoding } from "./format.ts";

/** Audio and video are measured by the headers of their tracks; the only decoded pixels are those of a cover. */
const tracks = {
  reader: "tracks",
  libraryBytes: 10e6,
  bytesPerPixel: () => 0,
  nanosecondsPerPixel: () => 0,
  isAnimated: () => false,
} as const;

export const video = { ...tracks, setting: "video" } as const satisfies Decoding;
export const audio = { ...tracks, setting: "audio" } as const satisfies Decoding;
