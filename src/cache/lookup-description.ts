import type { Cached, Description } from "../domain/description.ts";
import type { Fields } from "../domain/fields.ts";
import { OracleError } from "../domain/errors.ts";
import type { Metadata } from "../domain/metadata.ts";
import { lifetimeOf, outcomeOf } from "./cached-answer.ts";
import type { EntryPart } from "./entry.ts";

/** Reports of a lookup to its description. */
export interface LookupProgress {
  /** Shows the facts, timings and stages of the lookup at the origin from now on. */
  follow(origin: Description): void;
  /**
   * Ends the lookup with a part of the entry.
   *
   * @param isStored whether the part is in the cache, so that the description has a lifetime
   * @param failure the failure that became the part: it has details for the log, which are not cached
   * @throws OracleError if the part is a failure
   */
  answerWith(cached: Cached, part: EntryPart, isStored: boolean, failure?: OracleError | null): Metadata;
}

/**
 * Starts a lookup of the cache and returns its description.
 *
 * @param knownBefore the metadata at a deadline that passes before the origin has responded
 */
export function startCacheDescription(
  lookup: (progress: LookupProgress) => Promise<Metadata>,
  knownBefore: () => Metadata | null,
): Description {
  let origin: Description | null = null;
  let known: Metadata | null = null;
  let cached: Cached = "miss";
  let kept: Description["kept"] = null;
  let resolveOrigin!: (origin: Description) => void; // set by the next line
  const followed = new Promise<Description>((resolve) => (resolveOrigin = resolve));

  const done = lookup({
    follow(description) {
      origin = description;
      resolveOrigin(description);
    },
    answerWith(how, part, isStored, failure = null) {
      cached = how;
      kept = isStored ? lifetimeOf(part) : null;
      const outcome = outcomeOf(part);
      if (outcome instanceof OracleError) throw failure ?? outcome;
      return (known = outcome);
    },
  });
  done.catch(() => undefined); // a rejection that has no listener would end the process

  /** Never rejects: a lookup that fails at the origin may still end with a stale answer. */
  async function untilOrigin(fields: NonNullable<Fields>): Promise<Metadata> {
    const description = await followed;
    return description.until(fields).catch(() => done);
  }

  return {
    get known() {
      return known ?? origin?.known ?? knownBefore();
    },
    done,
    until: (fields) => Promise.race([untilOrigin(fields), done]),
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
    get decodeTimeoutCause() {
      return origin?.decodeTimeoutCause ?? null;
    },
    get terms() {
      return origin?.terms ?? null;
    },
    get kept() {
      return kept;
    },
  };
}
