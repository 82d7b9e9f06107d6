import { LRUCache } from "lru-cache";
import type { Entry } from "./entry.ts";

/** What this process remembers, and gives at once. */
export interface Memory {
  get(key: string): Entry | undefined;
  set(key: string, entry: Entry): void;
  delete(key: string): void;
  /** The most lately asked for first. */
  entries(): Iterable<readonly [key: string, entry: Entry]>;
}

// Measured: 0.9 kB, and 1.8 with the description and the text of the reply that are made when it is first asked for.
const entryOverheadBytes = 2000;

// Those that are failures alone may take this share: a flood of dead links must leave the pictures where they are.
const failureShare = 1 / 8;

function entryBytes({ success, setback }: Entry, key: string): number {
  const outcome = setback?.outcome;
  const texts = [key, success?.metadata.filename, success?.validators?.etag];
  if (outcome && "metadata" in outcome) texts.push(outcome.metadata.filename);
  return entryOverheadBytes + 2 * texts.reduce((length, text) => length + (text?.length ?? 0), 0);
}

/** @param maxBytes that all entries together may take, by an estimate; past it the least lately asked for go */
export function createMemory(maxBytes: number): Memory {
  const options = { sizeCalculation: entryBytes };
  const successes = new LRUCache<string, Entry>({ ...options, maxSize: maxBytes * (1 - failureShare) });
  const failures = new LRUCache<string, Entry>({ ...options, maxSize: maxBytes * failureShare });
  return {
    get: (key) => successes.get(key) ?? failures.get(key),
    set(key, entry) {
      const [its, other] = entry.success ? [successes, failures] : [failures, successes];
      its.set(key, entry);
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
  };
}
