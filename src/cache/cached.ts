import { type Description, type Oracle, withCacheResult } from "../domain/description.ts";
import { type Fields, includes } from "../domain/fields.ts";
import type { Target } from "../domain/target.ts";
import type { CachePolicy } from "./cache-policy.ts";
import { describeCachedAnswer } from "./cached-answer.ts";
import { type CachedAnswer, findCachedAnswer, isNewer, isPubliclyCached } from "./entry.ts";
import type { KeyOf } from "./key.ts";
import { createLookups, type LookupPurpose } from "./lookup.ts";
import type { Memory } from "./memory.ts";
import type { SharedStore } from "./shared.ts";

export interface CacheOptions {
  readonly keyOf: KeyOf;
  readonly memory: Memory;
  /** Null if replicas share nothing. */
  readonly shared: SharedStore | null;
  readonly policy: CachePolicy;
  /** Epoch milliseconds. */
  readonly now: () => number;
}

/** An oracle with a cache that can be inspected and invalidated. */
export interface CachedOracle extends Oracle {
  /**
   * Whether the memory has an answer; starts no lookup. Always false for an unreachable target: the TTL of such a failure
   * depends on its reason, which callers must not learn.
   */
  readonly isCached: (target: Target, fields?: Fields) => boolean;
  /** Like `isCached`, but reads the shared store first and copies its entry into the memory. */
  readonly isCachedAnywhere: (target: Target, fields?: Fields) => Promise<boolean>;
  /** Removes a target from the memory and the shared store; a lookup in progress will not be stored. Never rejects. */
  readonly invalidate: (target: Target) => Promise<void>;
  /** Number of answers that came from the shared store. */
  readonly answeredByShared: () => number;
}

interface Running {
  readonly description: Description;
  /** The fields that the lookup was started for. */
  readonly fields: Fields;
}

/**
 * Caches an oracle: memory first, then request coalescing (single-flight: one lookup for all concurrent callers of a URL),
 * then a new lookup.
 *
 * stale-while-revalidate: a success that has just become stale is answered at once and refreshed in the background.
 * stale-if-error and negative caching: lookup.ts. A caller that leaves does not cancel the lookup.
 *
 * `fields`: a caller joins a lookup that includes its fields. Otherwise it starts a fuller one, which replaces the first in
 * the cache. A target that was once looked up for all fields is always refreshed for all fields.
 */
export function cached(oracle: Oracle, { keyOf, memory, shared, policy, now }: CacheOptions): CachedOracle {
  const running = new Map<string, Running>();
  let answeredByShared = 0;
  const startLookup = createLookups({
    oracle,
    memory,
    shared,
    policy,
    now,
    onSharedAnswer: () => (answeredByShared += 1),
  });

  function findInMemory(key: string, fields: Fields): CachedAnswer | null {
    const entry = memory.get(key);
    return entry ? findCachedAnswer(entry, now(), fields) : null;
  }

  function describe(target: Target, fields: Fields = null): Description {
    const key = keyOf(target);
    const answer = findInMemory(key, fields);
    if (answer?.isDue && !running.has(key)) start(key, target, fields, "refresh");
    if (answer) return describeCachedAnswer(answer);
    const current = running.get(key);
    if (current && includes(current.fields, fields)) {
      return withCacheResult(current.description, (own) => (own === "stale" ? "stale" : "collapsed"));
    }
    return start(key, target, fields, "answer");
  }

  function start(key: string, target: Target, fields: Fields, purpose: LookupPurpose): Description {
    // False after `invalidate`, or after a fuller lookup has started: the result is then not stored.
    const isCurrent = () => running.get(key)?.description === description;
    const end = () => {
      if (isCurrent()) running.delete(key);
    };
    const description = startLookup({ key, target, fields, purpose, isCurrent });
    running.set(key, { description, fields });
    description.done.then(end, end);
    return description;
  }

  function isCached(target: Target, fields: Fields = null): boolean {
    const entry = memory.get(keyOf(target));
    return entry !== undefined && isPubliclyCached(entry, now(), fields);
  }

  function invalidateLocally(key: string): void {
    running.delete(key);
    memory.delete(key);
  }

  shared?.onInvalidated(invalidateLocally);
  return Object.assign(describe, {
    isCached,
    async isCachedAnywhere(target: Target, fields: Fields = null) {
      const key = keyOf(target);
      const found = await shared?.get(key);
      if (found && isNewer(found, memory.get(key) ?? null)) memory.set(key, found);
      return isCached(target, fields);
    },
    answeredByShared: () => answeredByShared,
    async invalidate(target: Target) {
      const key = keyOf(target);
      invalidateLocally(key);
      await shared?.delete(key);
    },
  });
}
