import { decode } from "blurhash";
import sharp, { type Sharp } from "sharp";

/** Pixels of one colour, row by row, four bytes a pixel. */
export function plain(width: number, height: number, colour: readonly [number, number, number, number]): Uint8Array {
  return Uint8Array.from({ length: width * height * 4 }, (_, at) => colour[at % 4]!);
}

/** Returns pseudo-random pixels, the same for the same seed; opaque by default. */
export function noise(width: number, height: number, seed: number, { alpha = false } = {}): Uint8Array {
  let state = seed;
  return Uint8Array.from({ length: width * height * 4 }, (_, at) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0; // Numerical Recipes' generator
    return at % 4 === 3 && !alpha ? 255 : state >>> 24;
  });
}

/** A different colour in every corner, with sensor noise: its file is as large as a photo's. Deterministic. */
export function photo(width: number, height: number): Sharp {
  const pixels = noise(width, height, 1);
  for (let at = 0; at < pixels.length; at += 1) {
    const [x, y] = [((at >> 2) % width) / width, Math.floor((at >> 2) / width) / height];
    const light = [x, y, (1 - x) * (1 - y)][at % 4];
    if (light !== undefined) pixels[at] = 30 + 160 * light + pixels[at]! / 8;
  }
  return sharp(pixels, { raw: { width, height, channels: 4 } });
}

/** Mean absolute difference of two blurhashes, 0 to 255, each decoded to 32 x 32. */
export function blurhashError(one: string, other: string): number {
  const [a, b] = [decode(one, 32, 32), decode(other, 32, 32)];
  return a.reduce((sum, value, at) => sum + Math.abs(value - b[at]!), 0) / (32 * 32 * 3); // the fourth bytes are equal
}
