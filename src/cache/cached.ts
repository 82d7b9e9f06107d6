import { type Cached, type Description, type Oracle, seenAs } from "../domain/description.ts";
import { OracleError, toOracleError } from "../domain/errors.ts";
import { type Fields, includes } from "../domain/fields.ts";
import type { Metadata } from "../domain/metadata.ts";
import type { Target } from "../domain/target.ts";
import {
  type Entry,
  hasFields,
  isUsableOnError,
  isNewer,
  isPubliclyCached,
  latestPart,
  type CachedAnswer,
  findCachedAnswer,
  type LastFailure,
  type Success,
} from "./entry.ts";
import type { LookupResult } from "./freshness.ts";
import type { KeyOf } from "./key.ts";
import type { Memory } from "./memory.ts";
import { lifetimeOf, outcomeOf, describeCachedAnswer } from "./cached-answer.ts";
import type { CachePolicy } from "./cache-policy.ts";
import type { SharedStore } from "./shared.ts";

export interface CacheOptions {
  readonly keyOf: KeyOf;
  readonly memory: Memory;
  /** Null where there is none. */
  readonly shared: SharedStore | null;
  readonly policy: CachePolicy;
  /** Epoch milliseconds. */
  readonly now: () => number;
}

/** An oracle that can also be asked what it would answer from memory, and told to forget. */
export interface CachedOracle extends Oracle {
  /**
   * Whether the answer would come from memory, as far as a caller may know; starts nothing. For what cannot be reached it is
   * never said to: how long that is remembered depends on why.
   */
  readonly isRemembered: (target: Target, fields?: Fields) => boolean;
  /** The same, where another replica may remember it: memory then takes over what it does. */
  readonly isRememberedAnywhere: (target: Target, fields?: Fields) => Promise<boolean>;
  /** Forgets a target, in the shared store too; a lookup of it that is under way will not be remembered. Never rejects. */
  readonly forget: (target: Target) => Promise<void>;
  /** Questions that the shared store has answered. */
  readonly answeredByShared: () => number;
}

/**
 * Answers from memory what was looked up lately, and lets any number of callers share one lookup under way.
 *
 * What has just become stale is answered as well, while the origin is asked again; what is staler, where the origin fails.
 * Nobody who leaves ends the lookup of the others. Who needs only what a head tells shares a fuller lookup; who needs more has
 * one begun, which takes the place of what was remembered for less. What was once looked up whole stays whole.
 */
export function cached(oracle: Oracle, { keyOf, memory, shared, policy, now }: CacheOptions): CachedOracle {
  const running = new Map<string, Running>();
  let answeredByShared = 0;

  function recalled(key: string, fields: Fields): CachedAnswer | null {
    const entry = memory.get(key);
    return entry ? findCachedAnswer(entry, now(), fields) : null;
  }

  function describe(target: Target, fields: Fields = null): Description {
    const key = keyOf(target);
    const known = recalled(key, fields);
    if (known?.isDue && !running.has(key)) start(key, target, fields, "refresh");
    if (known) return describeCachedAnswer(known);
    const begun = running.get(key);
    if (begun && includes(begun.fields, fields)) {
      return seenAs(begun.description, (own) => (own === "stale" ? "stale" : "collapsed"));
    }
    return start(key, target, fields, "answer");
  }

  /** @param purpose an answer may be what another replica has stale; a refresh is for what is newer */
  function start(key: string, target: Target, fields: Fields, purpose: "answer" | "refresh"): Description {
    let entry = memory.get(key) ?? null;
    let origin: Description | null = null;
    let known: Metadata | null = null;
    let cached: Cached = "miss";
    let kept: Description["kept"] = null;
    let written = Promise.resolve();
    let tellHead!: (known: Metadata) => void; // set by the next line
    const firstTold = new Promise<Metadata>((resolve) => (tellHead = resolve));

    /** Whether nobody had the target forgotten meanwhile, or a fuller lookup begun. */
    const isWanted = () => running.get(key)?.description === description;

    /** What is known although the origin was not heard. */
    function knownBefore(): Success | null {
      const success = entry?.success ?? null;
      return isWanted() && isUsableOnError(success, now()) ? success : null;
    }

    /** The success that may be answered although the origin was not heard. */
    function staleOnError(): Success | null {
      const success = knownBefore();
      return hasFields(success, fields) ? success : null;
    }

    function keep(next: Entry): void {
      entry = next;
      memory.set(key, next);
      if (shared) written = shared.set(key, next);
    }

    /** @throws OracleError where the part is a failure */
    function answerWith(how: Cached, part: Success | LastFailure): Metadata {
      cached = how;
      kept = isWanted() ? lifetimeOf(part) : null;
      const outcome = outcomeOf(part);
      if (outcome instanceof OracleError) throw outcome;
      return (known = outcome);
    }

    async function askOrigin(): Promise<Metadata> {
      const { success = null } = entry ?? {};
      const previous = hasFields(success, fields) ? success : undefined;
      origin = oracle(target, success?.fields === null ? null : fields, previous);
      origin.head.then(tellHead, () => undefined);
      const result = await resultOf(origin);
      const next = policy(result, entry);
      if (next && isWanted()) keep(next);
      const substitute = result.error?.code === "internal" || next?.setback === null ? null : staleOnError();
      if (substitute) return answerWith("stale", substitute);
      if (next) return answerWith(origin.cached, latestPart(next));
      return origin.done; // a failure that is not the target's fault
    }

    /** What another replica knows that was not known here. */
    async function lookIn(store: SharedStore): Promise<CachedAnswer | null> {
      const found = await store.get(key);
      if (!found || !isWanted() || !isNewer(found, entry)) return null;
      entry = found;
      memory.set(key, found);
      const known = findCachedAnswer(found, now(), fields);
      if (known?.isDue && purpose === "refresh") return null;
      if (known && purpose === "answer") answeredByShared += 1;
      return known;
    }

    /** The origin is asked by one replica for all of them. */
    async function askTogether(store: SharedStore): Promise<Metadata> {
      const found = await lookIn(store);
      if (found) return answerWith(found.cached, found.part);
      const unlock = await store.lock(key);
      try {
        // Another replica may have had the lock since the first look, also where this one did not wait for it.
        const learnt = await lookIn(store);
        return learnt ? answerWith(learnt.cached, learnt.part) : await askOrigin();
      } finally {
        // Nobody here waits for the store; who has the lock next shall find what was learnt.
        void written.then(unlock);
      }
    }

    const done = (shared ? askTogether(shared) : askOrigin()).finally(() => {
      if (isWanted()) running.delete(key);
    });
    const head = Promise.race([firstTold, done]);
    for (const promise of [done, head]) promise.catch(() => undefined);
    const description: Description = {
      get known() {
        return known ?? origin?.known ?? knownBefore()?.metadata ?? null;
      },
      done,
      head,
      get fields() {
        return origin?.fields ?? null;
      },
      get cached() {
        return cached;
      },
      get timings() {
        return origin?.timings ?? {};
      },
      get stages() {
        return origin?.stages ?? [];
      },
      get terms() {
        return origin?.terms ?? null;
      },
      get kept() {
        return kept;
      },
    };
    running.set(key, { description, fields });
    return description;
  }

  function isRemembered(target: Target, fields: Fields = null): boolean {
    const entry = memory.get(keyOf(target));
    return entry !== undefined && isPubliclyCached(entry, now(), fields);
  }

  function forgetHere(key: string): void {
    running.delete(key);
    memory.delete(key);
  }

  shared?.onForgotten(forgetHere);
  return Object.assign(describe, {
    isRemembered,
    async isRememberedAnywhere(target: Target, fields: Fields = null) {
      const key = keyOf(target);
      const found = await shared?.get(key);
      if (found && isNewer(found, memory.get(key) ?? null)) memory.set(key, found);
      return isRemembered(target, fields);
    },
    answeredByShared: () => answeredByShared,
    async forget(target: Target) {
      const key = keyOf(target);
      forgetHere(key);
      await shared?.delete(key);
    },
  });
}

interface Running {
  readonly description: Description;
  /** What it was begun for. */
  readonly fields: Fields;
}

/** How a lookup ended. Never rejects. */
async function resultOf(description: Description): Promise<LookupResult> {
  try {
    const metadata = await description.done;
    const isConfirmed = description.cached === "revalidated";
    return { metadata, fields: description.fields, terms: description.terms, isConfirmed, error: null };
  } catch (error) {
    return { metadata: null, terms: null, isConfirmed: false, error: toOracleError(error) };
  }
}
