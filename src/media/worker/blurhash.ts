/** How many cosine terms along x and along y, 1 to 9 each. */
export interface Components {
  readonly x: number;
  readonly y: number;
}

const base83 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz#$%*+,-.:;=?@[]^_{|}~";

/** 8-bit sRGB to linear light, 0 to 1 (IEC 61966-2-1): 256 powers here instead of three a pixel. */
const linear = Float64Array.from({ length: 256 }, (_, value) => {
  const v = value / 255;
  return v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4;
});

/** Linear light to 8-bit sRGB, rounded as the reference does: half added, then cut. */
function toSrgb(value: number): number {
  const v = Math.min(1, Math.max(0, value));
  return Math.trunc((v <= 0.0031308 ? v * 12.92 : 1.055 * v ** (1 / 2.4) - 0.055) * 255 + 0.5);
}

function toBase83(value: number, digits: number): string {
  let text = "";
  for (let rest = value; text.length < digits; rest = Math.floor(rest / 83)) {
    text = base83.charAt(rest % 83) + text;
  }
  return text;
}

/** Row by row, `length` values a term: cos(π · term · position / length). */
function cosines(terms: number, length: number): Float64Array {
  const table = new Float64Array(terms * length);
  for (let term = 0, at = 0; term < terms; term += 1) {
    for (let position = 0; position < length; position += 1, at += 1) {
      table[at] = Math.cos((Math.PI * term * position) / length);
    }
  }
  return table;
}

/**
 * The cosine components of a raster in linear light.
 *
 * Separable: each row is weighted along x first, then its few sums along y, so that a pixel is touched once a column
 * of components instead of once a component.
 *
 * @returns red, green, blue a component; components row by row, so that the first is the average colour
 */
function transform(width: number, height: number, rgba: Uint8Array, { x, y }: Components): Float64Array {
  const alongX = cosines(x, width);
  const alongY = cosines(y, height);
  const sums = new Float64Array(x * y * 3);
  for (let row = 0; row < height; row += 1) {
    const [begin, end] = [row * width * 4, (row + 1) * width * 4];
    for (let i = 0; i < x; i += 1) {
      let red = 0;
      let green = 0;
      let blue = 0;
      for (let from = begin, at = i * width; from < end; from += 4, at += 1) {
        const weight = alongX[at] ?? 0;
        red += weight * (linear[rgba[from] ?? 0] ?? 0);
        green += weight * (linear[rgba[from + 1] ?? 0] ?? 0);
        blue += weight * (linear[rgba[from + 2] ?? 0] ?? 0);
      }
      for (let j = 0; j < y; j += 1) {
        const weight = alongY[j * height + row] ?? 0;
        const at = (j * x + i) * 3;
        sums[at] = (sums[at] ?? 0) + weight * red;
        sums[at + 1] = (sums[at + 1] ?? 0) + weight * green;
        sums[at + 2] = (sums[at + 2] ?? 0) + weight * blue;
      }
    }
  }
  return sums.map((sum, index) => (sum * (index < 3 ? 1 : 2)) / (width * height));
}

/** A component relative to the largest, as one of 19 steps of a signed square root. */
function quantise(value: number, largest: number): number {
  const ratio = value / largest;
  const root = Math.sign(ratio) * Math.sqrt(Math.abs(ratio));
  return Math.min(18, Math.max(0, Math.floor(root * 9 + 9.5)));
}

/**
 * Encodes a raster as a BlurHash: the average colour, and cosine components relative to the largest of them in
 * absolute value (the npm package forgets "absolute": woltapp/blurhash#101).
 *
 * @param rgba row by row, four bytes a pixel, sRGB; the fourth is not looked at, so lay transparency on a colour first
 * @returns 4 + 2 · x · y characters of base 83 (28 for 4 x 3)
 * @see https://github.com/woltapp/blurhash/blob/master/Algorithm.md
 */
export function rgbaToBlurhash(width: number, height: number, rgba: Uint8Array, components: Components): string {
  const [red = 0, green = 0, blue = 0, ...varying] = transform(width, height, rgba, components);
  const largest = varying.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
  const step = varying.length > 0 ? Math.min(82, Math.max(0, Math.floor(largest * 166 - 0.5))) : 0;
  const scale = varying.length > 0 ? (step + 1) / 166 : 1;
  let hash = toBase83(components.x - 1 + (components.y - 1) * 9, 1) + toBase83(step, 1);
  hash += toBase83(toSrgb(red) * 65536 + toSrgb(green) * 256 + toSrgb(blue), 4);
  for (let at = 0; at < varying.length; at += 3) {
    const [r, g, b] = [varying[at] ?? 0, varying[at + 1] ?? 0, varying[at + 2] ?? 0].map((v) => quantise(v, scale));
    hash += toBase83((r ?? 0) * 361 + (g ?? 0) * 19 + (b ?? 0), 2);
  }
  return hash;
}
