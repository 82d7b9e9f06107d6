export interface MemoizeParserOptions {
  /** Bound of the texts and results. In two generations: when the young one has half of it, the old one is dropped. */
  readonly maxBytes: number;
  /** Of a memoized text, in characters. */
  readonly maxLength: number;
}

/** Share of CACHE_BYTES for parsed URLs and bodies: the latest thousand, with the default. */
export const parsedShare = 1 / 16;

// Measured: a target with its URL object, and the text in it four times (JSON, href, the parsed URL and its parts).
const resultBytes = 1200;
const bytesPerCharacter = 4;

/** Memoizes the latest results of a parser. Callers share them and must not change them. Errors are not memoized. */
export function memoizeParser<T>(
  parse: (text: string) => T,
  { maxBytes, maxLength }: MemoizeParserOptions,
): (text: string) => T {
  let young = new Map<string, T>();
  let old = new Map<string, T>();
  let youngBytes = 0;
  return (text) => {
    const known = young.get(text);
    if (known !== undefined) return known;
    const parsed = old.get(text) ?? parse(text);
    if (text.length > maxLength) return parsed;
    const bytes = resultBytes + bytesPerCharacter * text.length;
    if (youngBytes + bytes > maxBytes / 2) {
      old = young;
      young = new Map();
      youngBytes = 0;
    }
    youngBytes += bytes;
    young.set(text, parsed);
    return parsed;
  };
}
