/**
 * Memoizes the latest results of a parser, since parsing a request costs more than the rest of a cache hit. Errors are
 * not memoized.
 *
 * @param maxTexts of each of two generations: when the young one is full, the old one is dropped
 * @param maxLength of a memoized text, in characters
 */
export function remembered<T extends object>(
  parse: (text: string) => T,
  { maxTexts, maxLength }: { readonly maxTexts: number; readonly maxLength: number },
): (text: string) => T {
  let young = new Map<string, T>();
  let old = new Map<string, T>();
  return (text) => {
    const known = young.get(text);
    if (known) return known;
    const parsed = old.get(text) ?? parse(text);
    if (text.length > maxLength) return parsed;
    if (young.size >= maxTexts) {
      old = young;
      young = new Map();
    }
    young.set(text, parsed);
    return parsed;
  };
}
