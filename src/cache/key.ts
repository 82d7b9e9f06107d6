import { hash } from "node:crypto";
import type { Target } from "../domain/target.ts";
import { entryVersion } from "./entry.ts";

/** Returns the cache key of a target, the same in all replicas with the same settings. */
export type KeyOf = (target: Target) => string;

/**
 * Makes the function that computes cache keys: hashes without URL text, because a path may be a capability (XEP-0363) and
 * keys are written to files and shared stores. Targets of redirects have no influence.
 *
 * @param settings the settings that influence answers, as JSON: a change of one invalidates the cache
 * @returns 43 characters of base64url
 */
export function createKeys(settings: unknown): KeyOf {
  const prefix = hash("sha256", JSON.stringify([entryVersion, settings]));
  const keys = new WeakMap<Target, string>(); // memoized: the target of repeated requests is one object
  return (target) => {
    let key = keys.get(target);
    if (key === undefined) {
      key = hash("sha256", prefix + target.href, "base64url");
      keys.set(target, key);
    }
    return key;
  };
}
