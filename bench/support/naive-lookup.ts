import { encode } from "blurhash";
import sharp from "sharp";

/** The naive lookup: `fetch`, sharp and npm `blurhash`, without SSRF guard, limits, sandbox or cache. */
export async function lookUpNaively(url: string) {
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
