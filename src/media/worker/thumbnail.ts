import { maxThumbnailCharacters, thumbnailPrefix } from "../../domain/metadata.ts";
import { type Raster, fitWithin, shrink } from "../raster.ts";
import { encodePng } from "./encode-png.ts";

// In pixels. 8 x 8 opaque ones are at most 382 characters; with transparency only simple ones fit, and 7 x 7 always.
const sides = [8, 7];

/** Returns a PNG as a data URL of at most 400 characters, for clients that show pictures but decode no hash. */
export function rgbaToThumbnail(raster: Raster): string | null {
  for (const side of sides) {
    const png = encodePng(shrink(raster, fitWithin(raster, side)), { level: 9 });
    const url = thumbnailPrefix + png.toString("base64");
    if (url.length <= maxThumbnailCharacters) return url;
  }
  return null;
}
