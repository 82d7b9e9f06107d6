/** Baseline of decoding only: decodes a picture from memory, with the service's settings of libvips. */
import sharp from "sharp";
import { createVips } from "../../src/media/worker/vips.ts";
import { answerLookups } from "./lookups.ts";

/** The first message: the picture to decode for every lookup. */
export interface DecodeLoopPicture {
  /** The file, in base64. */
  readonly picture: string;
  readonly width: number;
  readonly height: number;
  /** Number of libvips threads for each picture. */
  readonly threads: number;
}

process.once("message", ({ picture, width, height, threads }: DecodeLoopPicture) => {
  const body = Buffer.from(picture, "base64");
  void createVips(["jpeg", "png", "webp", "gif", "avif"]).then((vips) => {
    sharp.concurrency(threads);
    answerLookups(() => vips.readRasters(body, { width, height }));
    process.send!({});
  });
});
