import { LRUCache } from "lru-cache";

export interface MemoizeOptions<T> {
  /** Bound of the size of all results. */
  readonly maxBytes: number;
  /** Whether to keep a result: false for one that may differ at the next call. */
  readonly isFinal: (result: T) => boolean;
}

/** A result, and whether this call has computed it. */
export interface Memoized<T> {
  readonly result: T;
  readonly isOwn: boolean;
}

/** Share of CACHE_BYTES for decode results by SHA-256: five thousand pictures. */
export const pictureShare = 1 / 16;

// The key and a dozen numbers, measured; and the texts: all are in ASCII.
const resultBytes = 450;

function bytesOf(result: object): number {
  return Object.values(result).reduce<number>(
    (bytes, value) => bytes + (typeof value === "string" ? value.length : 0),
    resultBytes,
  );
}

/**
 * Memoizes asynchronous work by key: an LRU cache of results, and request coalescing (single-flight): calls during the work
 * share its promise. A rejection is not kept.
 */
export function memoizeAsync<T extends object>({ maxBytes, isFinal }: MemoizeOptions<T>) {
  const results = new LRUCache<string, T>({ maxSize: Math.max(1, Math.floor(maxBytes)), sizeCalculation: bytesOf });
  const running = new Map<string, Promise<T>>();

  return async (key: string, work: () => Promise<T>): Promise<Memoized<T>> => {
    const known = results.get(key) ?? running.get(key);
    if (known) return { result: await known, isOwn: false };
    const own = work();
    running.set(key, own);
    try {
      const result = await own;
      if (isFinal(result)) results.set(key, result);
      return { result, isOwn: true };
    } finally {
      running.delete(key);
    }
  };
}
