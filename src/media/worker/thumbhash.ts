/** One channel as its average, its varying cosine terms scaled to 0 to 1, and the scale. */
interface Channel {
  readonly average: number;
  readonly varying: readonly number[];
  readonly scale: number;
}

const together = 4;

/** Row by row, `length` values a term: cos(π · term · (position + ½) / length). */
function cosines(terms: number, length: number): Float64Array {
  const table = new Float64Array(terms * length);
  for (let term = 0, at = 0; term < terms; term += 1) {
    const step = (Math.PI / length) * term;
    for (let position = 0; position < length; position += 1, at += 1) table[at] = Math.cos(step * (position + 0.5));
  }
  return table;
}

/**
 * The cosine terms of a channel in the triangle of low frequencies.
 *
 * Each is summed pixel by pixel in the order of the author's package: where a channel is flat or symmetric the last bits
 * decide the rounding, and the bytes would differ from other implementations. Four terms go together, since a processor
 * that waits for one sum can add to three others meanwhile.
 */
function transform(width: number, height: number, channel: Float64Array, x: number, y: number): Channel {
  const alongX = cosines(x, width);
  const alongY = cosines(y + together - 1, height);
  const sums = new Float64Array(x * (y + together - 1));
  for (let i = 0; i < x; i += 1) {
    for (let j = 0; i * y < x * (y - j); j += together) {
      let [a, b, c, d] = [0, 0, 0, 0];
      for (let row = 0, at = 0; row < height; row += 1) {
        const weightA = alongY[j * height + row] ?? 0;
        const weightB = alongY[(j + 1) * height + row] ?? 0;
        const weightC = alongY[(j + 2) * height + row] ?? 0;
        const weightD = alongY[(j + 3) * height + row] ?? 0;
        for (let column = i * width; column < (i + 1) * width; column += 1, at += 1) {
          const value = (channel[at] ?? 0) * (alongX[column] ?? 0);
          a += value * weightA;
          b += value * weightB;
          c += value * weightC;
          d += value * weightD;
        }
      }
      [a, b, c, d].forEach((sum, index) => (sums[(j + index) * x + i] = sum));
    }
  }
  const terms: number[] = [];
  for (let j = 0; j < y; j += 1) {
    for (let i = 0; i * y < x * (y - j); i += 1) terms.push((sums[j * x + i] ?? 0) / (width * height));
  }
  const [average = 0, ...varying] = terms;
  const scale = varying.reduce((most, term) => Math.max(most, Math.abs(term)), 0);
  return { average, varying: scale ? varying.map((term) => 0.5 + (0.5 / scale) * term) : varying, scale };
}

/** The four channels of a raster: luminance, yellow against blue, red against green, opacity. */
interface Channels {
  readonly luminance: Float64Array;
  readonly yellowBlue: Float64Array;
  readonly redGreen: Float64Array;
  readonly opacity: Float64Array;
  readonly hasTransparency: boolean;
}

/** Composites the raster on its own average colour and splits it into channels. */
function split(pixels: number, rgba: Uint8Array): Channels {
  let [averageRed, averageGreen, averageBlue, opaque] = [0, 0, 0, 0];
  for (let at = 0; at < pixels * 4; at += 4) {
    const alpha = (rgba[at + 3] ?? 0) / 255;
    averageRed += (alpha / 255) * (rgba[at] ?? 0);
    averageGreen += (alpha / 255) * (rgba[at + 1] ?? 0);
    averageBlue += (alpha / 255) * (rgba[at + 2] ?? 0);
    opaque += alpha;
  }
  if (opaque > 0) {
    averageRed /= opaque;
    averageGreen /= opaque;
    averageBlue /= opaque;
  }
  const [luminance, yellowBlue, redGreen, opacity] = [0, 1, 2, 3].map(() => new Float64Array(pixels)) as [
    Float64Array,
    Float64Array,
    Float64Array,
    Float64Array,
  ];
  for (let pixel = 0, at = 0; pixel < pixels; pixel += 1, at += 4) {
    const alpha = (rgba[at + 3] ?? 0) / 255;
    const red = averageRed * (1 - alpha) + (alpha / 255) * (rgba[at] ?? 0);
    const green = averageGreen * (1 - alpha) + (alpha / 255) * (rgba[at + 1] ?? 0);
    const blue = averageBlue * (1 - alpha) + (alpha / 255) * (rgba[at + 2] ?? 0);
    luminance[pixel] = (red + green + blue) / 3;
    yellowBlue[pixel] = (red + green) / 2 - blue;
    redGreen[pixel] = red - green;
    opacity[pixel] = alpha;
  }
  return { luminance, yellowBlue, redGreen, opacity, hasTransparency: opaque < pixels };
}

/**
 * Encodes a raster as a ThumbHash: average colour, proportions and a few cosine terms of luminance, two colour
 * differences and, where anything is transparent, opacity. The same bytes as the package of its author.
 *
 * @param width at most 100, as is the height: the format's own bound (more pixels would not change the few terms)
 * @param rgba row by row, four bytes a pixel, sRGB, not premultiplied
 * @returns 5 or 6 bytes of averages and scales, then half a byte a term: at most 25
 * @see https://evanw.github.io/thumbhash/
 */
export function rgbaToThumbhash(width: number, height: number, rgba: Uint8Array): Uint8Array {
  const { luminance, yellowBlue, redGreen, opacity, hasTransparency } = split(width * height, rgba);
  const longer = Math.max(width, height);
  const most = hasTransparency ? 5 : 7; // luminance gives up terms to opacity
  const x = Math.max(1, Math.round((most * width) / longer));
  const y = Math.max(1, Math.round((most * height) / longer));

  const l = transform(width, height, luminance, Math.max(3, x), Math.max(3, y));
  const p = transform(width, height, yellowBlue, 3, 3);
  const q = transform(width, height, redGreen, 3, 3);
  const a = hasTransparency ? transform(width, height, opacity, 5, 5) : null;

  const isLandscape = width > height;
  const colours =
    Math.round(63 * l.average) |
    (Math.round(31.5 + 31.5 * p.average) << 6) |
    (Math.round(31.5 + 31.5 * q.average) << 12) |
    (Math.round(31 * l.scale) << 18) |
    (Number(hasTransparency) << 23);
  const scales =
    (isLandscape ? y : x) |
    (Math.round(63 * p.scale) << 3) |
    (Math.round(63 * q.scale) << 9) |
    (Number(isLandscape) << 15);
  const head = [colours & 255, (colours >> 8) & 255, colours >> 16, scales & 255, scales >> 8];
  if (a) head.push(Math.round(15 * a.average) | (Math.round(15 * a.scale) << 4));

  const nibbles = [l, p, q, ...(a ? [a] : [])].flatMap(({ varying }) => varying.map((term) => Math.round(15 * term)));
  const hash = new Uint8Array(head.length + Math.ceil(nibbles.length / 2));
  hash.set(head);
  nibbles.forEach((nibble, index) => {
    const at = head.length + (index >> 1);
    hash[at] = (hash[at] ?? 0) | (nibble << ((index & 1) * 4));
  });
  return hash;
}
