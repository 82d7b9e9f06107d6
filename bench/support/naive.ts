/** The lines that people write today, in process: no guard, no bound, no isolation, no cache. */
import { encode } from "blurhash";
import sharp from "sharp";
import { type LookupsQuestion, timeLookups } from "./lookups.ts";

async function describe(url: string) {
  const response = await fetch(url);
  const body = Buffer.from(await response.arrayBuffer());
  const image = sharp(body);
  const { width, height } = await image.metadata();
  const { data, info } = await image
    .raw()
    .ensureAlpha()
    .resize(32, 32, { fit: "inside" })
    .toBuffer({ resolveWithObject: true });
  const blurhash = encode(new Uint8ClampedArray(data), info.width, info.height, 4, 3);
  return { bytes: body.byteLength, type: response.headers.get("content-type"), width, height, blurhash };
}

process.on("message", ({ urls, concurrency }: LookupsQuestion) => {
  void timeLookups(urls, concurrency, describe).then((reply) => process.send!(reply));
});
process.on("disconnect", () => process.exit());
