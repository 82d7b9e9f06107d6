const digits = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz#$%*+,-.:;=?@[]^_{|}~";

// As ffmpeg's blackframe filter has it: a pixel below 32 of 255 is black.
const maxDarkLevel = 32;

/**
 * Whether the average colour of a BlurHash is black: the film fades in, and a later frame is the better preview.
 *
 * The average is the four base 83 digits after the components and the maximum: 24 bits, sRGB.
 *
 * @see https://github.com/woltapp/blurhash/blob/master/Algorithm.md
 */
export function isDark(blurhash: string): boolean {
  const average = Array.from(blurhash.slice(2, 6)).reduce((sum, digit) => sum * 83 + digits.indexOf(digit), 0);
  return [average >> 16, (average >> 8) & 255, average & 255].every((level) => level < maxDarkLevel);
}
