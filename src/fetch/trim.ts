/** RFC 9110 5.6.3. */
export const optionalWhiteSpace = " \t";

/**
 * Removes these characters at both ends, in linear time.
 *
 * Unlike `trim`, it leaves 0xA0 in headers, which are bytes read as Latin-1: it is the last byte of "à" in UTF-8.
 */
export function trimCharacters(text: string, characters: string): string {
  let [start, end] = [0, text.length];
  while (start < end && characters.includes(text.charAt(start))) start += 1;
  while (end > start && characters.includes(text.charAt(end - 1))) end -= 1;
  return text.slice(start, end);
}
