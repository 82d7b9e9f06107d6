import { previewOf } from "../../domain/metadata.ts";
import type { Clip } from "../protocol.ts";
import { type Picture, timedOut } from "./picture.ts";
import type { ReadPoster } from "./poster.ts";

export interface PosterStep {
  readonly readPoster: ReadPoster;
  /** Describes the bitmap that ffmpeg made. */
  readonly describeBitmap: (bitmap: Uint8Array) => Promise<Picture>;
}

/** Adds the hashes of the poster frame to the metadata of a video. Never rejects. */
export async function addPoster(video: Picture, clip: Clip, step: PosterStep): Promise<Picture> {
  const { width, height } = video;
  const startedAt = performance.now();
  const poster = width && height ? await step.readPoster({ ...clip, displayed: { width, height } }) : "failed";
  if (typeof poster === "string") {
    if (video.blurhash) return video; // of its cover
    return { ...video, ...(poster === "too_late" ? timedOut("poster") : { warning: "decode_failed" }) };
  }
  const posterMs = performance.now() - startedAt;
  const frame = await step.describeBitmap(poster);
  const { warning, decodeTimeoutCause } = frame;
  return {
    ...video,
    ...(frame.blurhash && previewOf(frame)),
    warning,
    decodeTimeoutCause,
    queueMs: video.queueMs + frame.queueMs,
    decodeMs: video.decodeMs + posterMs + frame.decodeMs,
    hashMs: video.hashMs + frame.hashMs,
  };
}
