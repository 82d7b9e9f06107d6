import { LRUCache } from "lru-cache";
import { type Metadata, maxKeptReplyBytes } from "../domain/metadata.ts";
import type { Entry } from "./entry.ts";

/** The cache of this process. */
export interface Memory {
  get(key: string): Entry | undefined;
  set(key: string, entry: Entry): void;
  delete(key: string): void;
  /** Most recently used first. */
  entries(): Iterable<readonly [key: string, entry: Entry]>;
  /** Of the entries with a success, and of those with only a failure. */
  readonly use: Readonly<Record<"success" | "failure", MemoryUse>>;
}

export interface MemoryUse {
  readonly entries: number;
  /** Estimated size. */
  readonly bytes: number;
  /** Entries that the LRU has removed since the start. */
  readonly evictions: number;
}

// Measured (`npm run bench:memory`): the objects of an entry, and those that are memoized at its first hit.
const entryOverheadBytes = 700;
const partOverheadBytes = 500;
// The reply is memoized too: its keys, hashes and a URL of usual length.
const replyOverheadBytes = 700;

// The share of entries without a success: a flood of dead links must not evict pictures.
const failureShare = 1 / 8;

function entryBytes({ success, setback }: Entry, key: string): number {
  const outcome = setback?.outcome;
  const described = [success?.metadata, outcome && "metadata" in outcome ? outcome.metadata : null];
  const parts = [success, setback].filter((part) => part !== null).length * partOverheadBytes;
  const bytes = described.reduce((sum, metadata) => sum + (metadata ? metadataBytes(metadata) : 0), 0);
  return entryOverheadBytes + key.length + (success?.validators?.etag?.length ?? 0) + parts + bytes;
}

/** The texts of the metadata, and its reply, which has them again. */
function metadataBytes({ type, sha256, blurhash, thumbhash, thumbnail, filename }: Metadata): number {
  const texts = [type, sha256, blurhash, thumbhash, thumbnail].reduce((sum, text) => sum + (text?.length ?? 0), 0);
  const bytes = texts + 2 * (filename?.length ?? 0); // V8 has two bytes a character for names that are not in Latin-1
  return bytes + Math.min(maxKeptReplyBytes, replyOverheadBytes + bytes);
}

/**
 * Creates an LRU cache of entries; those without a success have an LRU of their own.
 *
 * @param maxBytes bound of the estimated size of all entries
 */
export function createMemory(maxBytes: number): Memory {
  const { lru: successes, use: successUse } = createPart(maxBytes * (1 - failureShare));
  const { lru: failures, use: failureUse } = createPart(maxBytes * failureShare);
  return {
    get: (key) => successes.get(key) ?? failures.get(key),
    set(key, entry) {
      const [target, other] = entry.success ? [successes, failures] : [failures, successes];
      target.set(key, entry);
      other.delete(key);
    },
    delete(key) {
      successes.delete(key);
      failures.delete(key);
    },
    *entries() {
      yield* successes.entries();
      yield* failures.entries();
    },
    get use() {
      return { success: successUse(), failure: failureUse() };
    },
  };
}

/** Creates one LRU cache, and a function that reads its use. */
function createPart(maxBytes: number) {
  let evictions = 0;
  const lru = new LRUCache<string, Entry>({
    maxSize: Math.max(1, Math.floor(maxBytes)), // lru-cache takes positive integers alone
    sizeCalculation: entryBytes,
    dispose: (_entry, _key, reason) => void (evictions += Number(reason === "evict")),
  });
  const use = (): MemoryUse => ({ entries: lru.size, bytes: lru.calculatedSize, evictions });
  return { lru, use };
}
