import { WriteStream } from "node:tty";
import { decode } from "blurhash";
import type { Context } from "./context.ts";

/** Bits per colour: 1 (none), 4, 8 (a palette of 256) or 24. */
export type ColourDepth = number;

/**
 * Returns the colour depth of an output, by Node's rules for NO_COLOR, FORCE_COLOR, COLORTERM and TERM.
 *
 * @see https://nodejs.org/docs/latest-v20.x/api/tty.html#writestreamgetcolordepthenv
 */
export function colourDepthOf(stream: { readonly isTTY?: boolean }, { environment }: Context): ColourDepth {
  // A pipe has no such method, but FORCE_COLOR is for pipes too.
  if (!stream.isTTY && environment.FORCE_COLOR === undefined) return 1;
  return WriteStream.prototype.getColorDepth(environment);
}

/** Strips control characters (ECMA-48 C0 and C1: terminal injection) and bidirectional overrides from text of other machines. */
export function printable(text: string): string {
  return text.replaceAll(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, "");
}

type Rgb = readonly [red: number, green: number, blue: number];

/** Returns the SGR parameters of a colour; in the palette of 256, the 6 x 6 x 6 cube starts at 16. */
function colourCode([red, green, blue]: Rgb, depth: ColourDepth): string {
  if (depth === 24) return `2;${red};${green};${blue}`;
  const step = (value: number) => Math.round((value / 255) * 5);
  return `5;${16 + 36 * step(red) + 6 * step(green) + step(blue)}`;
}

const maxColumns = 36;
const maxRows = 14;

/**
 * Draws a BlurHash with half blocks: two pixels per character, one above the other. Sixteen colours are too few for it.
 *
 * @param aspect width divided by height; assumes characters that are twice as high as wide
 * @returns its lines; none if the depth is below 8
 */
export function drawBlurhash(blurhash: string, aspect: number, depth: ColourDepth): string[] {
  if (depth < 8) return [];
  const columns = Math.max(4, Math.round(Math.min(maxColumns, 2 * maxRows * aspect)));
  const rows = Math.max(1, Math.round(Math.min(maxRows, maxColumns / aspect / 2)));
  const pixels = decode(blurhash, columns, rows * 2);
  const colourAt = (x: number, y: number): string => {
    const [red = 0, green = 0, blue = 0] = pixels.subarray((y * columns + x) * 4);
    return colourCode([red, green, blue], depth);
  };
  const line = (y: number) =>
    Array.from({ length: columns }, (_, x) => `\x1b[38;${colourAt(x, y)};48;${colourAt(x, y + 1)}m▀`).join("");
  return Array.from({ length: rows }, (_, row) => `${line(row * 2)}\x1b[0m`);
}
