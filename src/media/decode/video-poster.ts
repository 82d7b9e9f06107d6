import type { Clip } from "../worker/reader.ts";
import type { Picture } from "./picture.ts";
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
  const bitmap = width && height ? await step.readPoster({ ...clip, displayed: { width, height } }) : null;
  if (!bitmap) return video.blurhash ? video : { ...video, warning: "decode_failed" };
  const posterMs = performance.now() - startedAt;
  const frame = await step.describeBitmap(bitmap);
  const { blurhash, thumbhash, warning, decodeTimeoutCause } = frame;
  return {
    ...video,
    ...(blurhash && { blurhash, thumbhash }),
    warning,
    decodeTimeoutCause,
    queueMs: video.queueMs + frame.queueMs,
    decodeMs: video.decodeMs + posterMs + frame.decodeMs,
    hashMs: video.hashMs + frame.hashMs,
  };
}
