import { decode } from "blurhash";
import type { Context } from "./context.ts";

/** Number of colours: 0, 256 or 2^24. */
export type Colours = 0 | 256 | 16_777_216;

/**
 * Returns the number of colours that the output can show.
 *
 * @see https://no-color.org, https://force-color.org
 */
export function coloursOf(stream: { readonly isTTY?: boolean }, { environment }: Context): Colours {
  const { NO_COLOR, FORCE_COLOR, COLORTERM = "", TERM = "" } = environment;
  if (NO_COLOR) return 0;
  if (!FORCE_COLOR && (!stream.isTTY || TERM === "dumb")) return 0;
  return FORCE_COLOR === "3" || /^(truecolor|24bit)$/.test(COLORTERM) ? 16_777_216 : 256;
}

/** Strips control characters (ECMA-48 C0 and C1: terminal injection) and bidirectional overrides from text of other machines. */
export function printable(text: string): string {
  return text.replaceAll(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, "");
}

type Rgb = readonly [red: number, green: number, blue: number];

/** Returns the SGR parameters of a colour; in the palette of 256, the 6 x 6 x 6 cube starts at 16. */
function colourCode([red, green, blue]: Rgb, colours: Colours): string {
  if (colours === 16_777_216) return `2;${red};${green};${blue}`;
  const step = (value: number) => Math.round((value / 255) * 5);
  return `5;${16 + 36 * step(red) + 6 * step(green) + step(blue)}`;
}

const maxColumns = 36;
const maxRows = 14;

/**
 * Draws a BlurHash with half blocks: two pixels per character, one above the other.
 *
 * @param aspect width divided by height; assumes characters that are twice as high as wide
 */
export function drawBlurhash(blurhash: string, aspect: number, colours: Colours): string[] {
  const columns = Math.max(4, Math.round(Math.min(maxColumns, 2 * maxRows * aspect)));
  const rows = Math.max(1, Math.round(Math.min(maxRows, maxColumns / aspect / 2)));
  const pixels = decode(blurhash, columns, rows * 2);
  const colourAt = (x: number, y: number): string => {
    const [red = 0, green = 0, blue = 0] = pixels.subarray((y * columns + x) * 4);
    return colourCode([red, green, blue], colours);
  };
  const line = (y: number) =>
    Array.from({ length: columns }, (_, x) => `\x1b[38;${colourAt(x, y)};48;${colourAt(x, y + 1)}m▀`).join("");
  return Array.from({ length: rows }, (_, row) => `${line(row * 2)}\x1b[0m`);
}

export function dim(text: string, colours: Colours): string {
  return colours === 0 ? text : `\x1b[2m${text}\x1b[22m`;
}

export function bold(text: string, colours: Colours): string {
  return colours === 0 ? text : `\x1b[1m${text}\x1b[22m`;
}
