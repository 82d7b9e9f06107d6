import type { Description, Oracle } from "../domain/description.ts";
import { toOracleError } from "../domain/errors.ts";
import type { Fields } from "../domain/fields.ts";
import type { Metadata } from "../domain/metadata.ts";
import type { Target } from "../domain/target.ts";
import type { CachePolicy } from "./cache-policy.ts";
import { coalesceReplicas } from "./coalesce-replicas.ts";
import {
  type CachedAnswer,
  type Entry,
  findCachedAnswer,
  hasFields,
  isNewer,
  isUsableOnError,
  latestPart,
  type Success,
} from "./entry.ts";
import type { LookupResult } from "./freshness.ts";
import { type LookupProgress, startCacheDescription } from "./lookup-description.ts";
import type { Memory } from "./memory.ts";
import type { SharedStore } from "./shared.ts";

export interface LookupsOptions {
  readonly oracle: Oracle;
  readonly memory: Memory;
  readonly shared: SharedStore | null;
  readonly policy: CachePolicy;
  /** Epoch milliseconds. */
  readonly now: () => number;
  /** Called for each answer that came from the shared store. */
  readonly onSharedAnswer: () => void;
}

/** `answer`: a caller waits, so a stale answer of another replica is enough. `refresh`: only a newer one is. */
export type LookupPurpose = "answer" | "refresh";

export interface LookupRequest {
  readonly key: string;
  readonly target: Target;
  readonly fields: Fields;
  readonly purpose: LookupPurpose;
  /** False once the result must not be stored: the key was invalidated, or a fuller lookup has replaced this one. */
  readonly isCurrent: () => boolean;
}

/**
 * Makes the function that looks up what the memory does not have: in the shared store, then at the origin.
 *
 * Conditional request: the origin gets the validators of the last success. Negative caching: a failure is stored as the policy
 * says. stale-if-error: if the origin fails, the last success is answered while its `staleOnErrorUntil` lasts.
 */
export function createLookups({ oracle, memory, shared, policy, now, onSharedAnswer }: LookupsOptions) {
  return ({ key, target, fields, purpose, isCurrent }: LookupRequest): Description => {
    let entry = memory.get(key) ?? null;
    let written = Promise.resolve();

    /** The last success, if it may be used without an answer of the origin. */
    function usableSuccess(): Success | null {
      const success = entry?.success ?? null;
      return isCurrent() && isUsableOnError(success, now()) ? success : null;
    }

    function staleOnError(): Success | null {
      const success = usableSuccess();
      return hasFields(success, fields) ? success : null;
    }

    function store(next: Entry): void {
      entry = next;
      memory.set(key, next);
      if (shared) written = shared.set(key, next);
    }

    async function askOrigin(progress: LookupProgress): Promise<Metadata> {
      const { success = null } = entry ?? {};
      const previous = hasFields(success, fields) ? success : undefined;
      const origin = oracle(target, success?.fields === null ? null : fields, previous);
      progress.follow(origin);
      const result = await resultOf(origin);
      const next = policy(result, entry);
      if (next && isCurrent()) store(next);
      // A bug of ours is reported, not hidden behind a stale answer.
      const substitute = result.error?.code === "internal" || next?.setback === null ? null : staleOnError();
      if (substitute) return progress.answerWith("stale", substitute, isCurrent());
      if (next) return progress.answerWith(origin.cached, latestPart(next), isCurrent(), result.error);
      return origin.done; // a failure that the policy does not store
    }

    /** Reads an answer that another replica has stored since, and copies its entry into the memory. */
    async function readShared(sharedStore: SharedStore): Promise<CachedAnswer | null> {
      const found = await sharedStore.get(key);
      if (!found || !isCurrent() || !isNewer(found, entry)) return null;
      entry = found;
      memory.set(key, found);
      const answer = findCachedAnswer(found, now(), fields);
      if (answer?.isDue && purpose === "refresh") return null;
      if (answer && purpose === "answer") onSharedAnswer();
      return answer;
    }

    async function answerFromShared(sharedStore: SharedStore, progress: LookupProgress): Promise<Metadata | null> {
      const found = await readShared(sharedStore);
      return found && progress.answerWith(found.cached, found.part, isCurrent());
    }

    return startCacheDescription(
      (progress) => {
        if (!shared) return askOrigin(progress);
        return coalesceReplicas({
          lock: () => shared.lock(key),
          find: () => answerFromShared(shared, progress),
          ask: () => askOrigin(progress),
          written: () => written,
        });
      },
      () => usableSuccess()?.metadata ?? null,
    );
  };
}

/** The outcome of a lookup as a value. Never rejects. */
async function resultOf(description: Description): Promise<LookupResult> {
  try {
    const metadata = await description.done;
    const isConfirmed = description.cached === "revalidated";
    return { metadata, fields: description.fields, terms: description.terms, isConfirmed, error: null };
  } catch (error) {
    return { metadata: null, terms: null, isConfirmed: false, error: toOracleError(error) };
  }
}
