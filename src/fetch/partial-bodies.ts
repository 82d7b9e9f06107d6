import { LRUCache } from "lru-cache";
import type { Validators } from "../domain/terms.ts";
import type { Headers } from "./headers.ts";

/**
 * Beginnings of bodies that did not arrive in time, or were cut. The next lookup of the URL continues with a range request
 * instead of downloading them from the start again.
 *
 * Only of responses with a declared length and a strong validator: a weak tag does not promise the same bytes
 * (RFC 9110 8.8.1), and without a validator the next response may be of another file.
 */
export interface PartialBodies {
  /** Copies a beginning, if it is worth a request and has room. */
  keep(partial: PartialBody): void;
  /** Returns the beginning of the body of this URL, and removes it: its lookup keeps a longer one, or needs none. */
  take(urlHash: string): PartialBody | null;
}

export interface PartialBody {
  readonly bytes: Uint8Array;
  /** Declared length of the whole body. */
  readonly length: number;
  readonly validators: Validators;
  /** Of the response that began the body. */
  readonly headers: Headers;
}

export interface PartialBodiesOptions {
  /** Bound of all beginnings together. One has at most half of it. */
  readonly maxBytes: number;
  /** Milliseconds, monotonic. */
  readonly now: () => number;
}

/** Share of FETCH_BYTES, besides it: 32 MB with the default. */
export const partialShare = 1 / 8;

// Less arrives within a round trip or two of a new connection.
const leastBytes = 64 * 1024;

// The longest TTL of a slow body is 10 minutes (cache/freshness.ts); after that the next lookup may begin.
export const partialTtlMs = 15 * 60_000;

export function createPartialBodies({ maxBytes, now }: PartialBodiesOptions): PartialBodies {
  const maxEntrySize = Math.floor(maxBytes / 2); // lru-cache takes integers alone
  if (maxEntrySize < leastBytes) return { keep: () => undefined, take: () => null };
  const bodies = new LRUCache<string, PartialBody>({
    maxSize: 2 * maxEntrySize,
    maxEntrySize,
    sizeCalculation: ({ bytes }) => bytes.byteLength,
    ttl: partialTtlMs,
    ttlResolution: 0,
    perf: { now },
  });
  return {
    keep({ bytes, length, validators, headers }) {
      if (bytes.byteLength < leastBytes || bytes.byteLength > maxEntrySize) return;
      if (!validators.etag?.startsWith('"') && validators.lastModified === null) return;
      bodies.set(validators.urlHash, { bytes: bytes.slice(), length, validators, headers: described(headers) });
    },
    take(urlHash) {
      const partial = bodies.get(urlHash) ?? null;
      bodies.delete(urlHash);
      return partial;
    },
  };
}

const descriptive = ["content-type", "content-disposition", "etag", "last-modified", "cache-control", "expires"];

/** The headers that a 206 may omit. */
function described(headers: Headers): Headers {
  return Object.fromEntries(descriptive.map((name) => [name, headers[name]]));
}
