/** Nothing but the decoding: a picture that is in memory already, with libvips set as the service has it. */
import sharp from "sharp";
import { createVips } from "../../src/media/raster.ts";
import { answerLookups } from "./lookups.ts";

/** The first message: what is decoded from then on, whatever URL is asked for. */
export interface DecodeLoopPicture {
  /** In base64. */
  readonly picture: string;
  readonly width: number;
  readonly height: number;
  /** Of libvips, for each picture. */
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
