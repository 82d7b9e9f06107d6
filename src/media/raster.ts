import type { Size } from "../domain/size.ts";

export { createDurationMs, type Size, createSize, maxSide } from "../domain/size.ts";

/** Decoded pixels: RGBA, row-major, four bytes a pixel, sRGB, not premultiplied. */
export interface Raster {
  readonly width: number;
  readonly height: number;
  readonly rgba: Uint8Array;
}

/** Scales a size down to fit a square, proportions kept; never larger than it was, at least 1 x 1 pixel. */
export function fitWithin({ width, height }: Size, longest: number): Size {
  const scale = Math.min(1, longest / Math.max(width, height));
  return { width: Math.max(1, Math.round(width * scale)), height: Math.max(1, Math.round(height * scale)) };
}

export function isOpaque({ rgba }: Raster): boolean {
  for (let at = 3; at < rgba.length; at += 4) if (rgba[at] !== 255) return false;
  return true;
}

/** Composites a raster on white; the same raster if it is opaque. */
export function onWhite(raster: Raster): Raster {
  if (isOpaque(raster)) return raster;
  const { width, height, rgba } = raster;
  const opaque = Uint8Array.from(rgba);
  // Plain loops here and below: `map` and `from` with a function took 6 ms a picture, as long as its decoding.
  for (let at = 0; at < opaque.length; at += 4) {
    const alpha = opaque[at + 3] ?? 255;
    if (alpha === 255) continue;
    const white = 255 * (255 - alpha);
    for (let channel = at; channel < at + 3; channel += 1) {
      opaque[channel] = Math.round(((opaque[channel] ?? 0) * alpha + white) / 255);
    }
    opaque[at + 3] = 255;
  }
  return { width, height, rgba: opaque };
}

/** Box filter: the weights with which the pixels of a row go into fewer ones, each into two at most. */
interface Shares {
  /** Share of a pixel in the target pixel that is being filled; the rest goes to the next one. */
  readonly part: Float64Array;
  /** 1 if it completes that target pixel. */
  readonly fills: Uint8Array;
}

function shareOut(length: number, among: number): Shares {
  const part = new Float64Array(length);
  const fills = new Uint8Array(length);
  for (let place = 0, filled = 0; place < length; place += 1) {
    const end = ((filled + 1) * length) / among;
    part[place] = Math.min(1, end - place);
    if (end > place + 1) continue;
    fills[place] = 1;
    filled += 1;
  }
  return { part, fills };
}

/** Downscales a raster: each pixel is the average of the area that it covers, colours weighted by their opacity. */
export function shrink({ width, height, rgba }: Raster, to: Size): Raster {
  const [across, down] = [shareOut(width, to.width), shareOut(height, to.height)];
  const line = new Float64Array(to.width * 4); // one row of the source, scaled to the new width
  const sums = new Float64Array(to.width * 4); // the row of the result that is being filled
  const result = new Uint8Array(to.width * to.height * 4);
  const area = (width / to.width) * (height / to.height);
  for (let y = 0, at = 0, target = 0; y < height; y += 1) {
    let [red, green, blue, alpha] = [0, 0, 0, 0];
    for (let x = 0, column = 0; x < width; x += 1, at += 4) {
      const opacity = rgba[at + 3] ?? 0;
      const r = (rgba[at] ?? 0) * opacity;
      const g = (rgba[at + 1] ?? 0) * opacity;
      const b = (rgba[at + 2] ?? 0) * opacity;
      const part = across.part[x] ?? 0;
      red += part * r;
      green += part * g;
      blue += part * b;
      alpha += part * opacity;
      if (!across.fills[x]) continue;
      line[column] = red;
      line[column + 1] = green;
      line[column + 2] = blue;
      line[column + 3] = alpha;
      column += 4;
      const rest = 1 - part;
      red = rest * r;
      green = rest * g;
      blue = rest * b;
      alpha = rest * opacity;
    }
    const part = down.part[y] ?? 0;
    if (!down.fills[y]) {
      for (let index = 0; index < line.length; index += 1) sums[index] = (sums[index] ?? 0) + part * (line[index] ?? 0);
      continue;
    }
    for (let index = 0; index < line.length; index += 4, target += 4) {
      const opacity = (sums[index + 3] ?? 0) + part * (line[index + 3] ?? 0);
      if (opacity > 0) {
        result[target] = Math.round(((sums[index] ?? 0) + part * (line[index] ?? 0)) / opacity);
        result[target + 1] = Math.round(((sums[index + 1] ?? 0) + part * (line[index + 1] ?? 0)) / opacity);
        result[target + 2] = Math.round(((sums[index + 2] ?? 0) + part * (line[index + 2] ?? 0)) / opacity);
        result[target + 3] = Math.round(opacity / area);
      }
      sums[index] = (1 - part) * (line[index] ?? 0);
      sums[index + 1] = (1 - part) * (line[index + 1] ?? 0);
      sums[index + 2] = (1 - part) * (line[index + 2] ?? 0);
      sums[index + 3] = (1 - part) * (line[index + 3] ?? 0);
    }
  }
  return { ...to, rgba: result };
}
