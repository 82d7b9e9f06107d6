/**
 * Memoizes the latest results of a parser. Callers share them and must not change them. Errors are not memoized.
 *
 * @param maxTexts of each of two generations: when the young one is full, the old one is dropped
 * @param maxLength of a memoized text, in characters
 */
export function memoizeParser<T>(
  parse: (text: string) => T,
  { maxTexts, maxLength }: { readonly maxTexts: number; readonly maxLength: number },
): (text: string) => T {
  let young = new Map<string, T>();
  let old = new Map<string, T>();
  return (text) => {
    const known = young.get(text);
    if (known !== undefined) return known;
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
