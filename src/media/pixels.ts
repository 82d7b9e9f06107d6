/** Decoded pixels: row by row, four bytes a pixel, sRGB, not premultiplied. */
export interface Raster {
  readonly width: number;
  readonly height: number;
  readonly rgba: Uint8Array;
}

export interface Size {
  readonly width: number;
  readonly height: number;
}

/** The size of a picture brought within a square, proportions kept; never larger than it is, never less than a pixel. */
export function fitWithin({ width, height }: Size, longest: number): Size {
  const scale = Math.min(1, longest / Math.max(width, height));
  return { width: Math.max(1, Math.round(width * scale)), height: Math.max(1, Math.round(height * scale)) };
}

/** Lays what is transparent on white. */
export function onWhite({ width, height, rgba }: Raster): Raster {
  const opaque = Uint8Array.from(rgba, (value, index) => {
    const alpha = rgba[index | 3] ?? 255; // the fourth byte of the same pixel
    return (index & 3) === 3 ? 255 : Math.round((value * alpha + 255 * (255 - alpha)) / 255);
  });
  return { width, height, rgba: opaque };
}

/** Makes a raster smaller: each pixel is the average of the area that it covers, colours weighted by their opacity. */
export function shrink({ width, height, rgba }: Raster, to: Size): Raster {
  const result = new Uint8Array(to.width * to.height * 4);
  const [stepX, stepY] = [width / to.width, height / to.height];
  for (let row = 0, target = 0; row < to.height; row += 1) {
    const [top, bottom] = [row * stepY, Math.min(height, (row + 1) * stepY)];
    for (let column = 0; column < to.width; column += 1, target += 4) {
      const [left, right] = [column * stepX, Math.min(width, (column + 1) * stepX)];
      let [red, green, blue, alpha, area] = [0, 0, 0, 0, 0];
      for (let y = Math.floor(top); y < bottom; y += 1) {
        const coveredY = Math.min(bottom, y + 1) - Math.max(top, y);
        for (let x = Math.floor(left), at = (y * width + x) * 4; x < right; x += 1, at += 4) {
          const covered = coveredY * (Math.min(right, x + 1) - Math.max(left, x));
          const opacity = covered * (rgba[at + 3] ?? 0);
          red += opacity * (rgba[at] ?? 0);
          green += opacity * (rgba[at + 1] ?? 0);
          blue += opacity * (rgba[at + 2] ?? 0);
          alpha += opacity;
          area += covered;
        }
      }
      if (alpha > 0) result.set([red / alpha, green / alpha, blue / alpha, alpha / area].map(Math.round), target);
    }
  }
  return { ...to, rgba: result };
}
