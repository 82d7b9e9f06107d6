import { hash } from "node:crypto";
import type { Target } from "../domain/target.ts";
import { entryVersion } from "./entry.ts";

/** The key that a target is remembered under, the same in every replica with the same settings. */
export type KeyOf = (target: Target) => string;

/**
 * Keys without URL text: a path may be a capability (XEP-0363), and keys go into files and shared stores. Whatever a redirect
 * leads to has no part in it.
 *
 * @param settings those that shape answers, as JSON: where one of them changes, all that was remembered is forgotten
 * @returns 43 characters of base64url
 */
export function createKeys(settings: unknown): KeyOf {
  const prefix = hash("sha256", JSON.stringify([entryVersion, settings]));
  const known = new WeakMap<Target, string>(); // a target that is asked for often is one object
  return (target) => {
    let key = known.get(target);
    if (key === undefined) {
      key = hash("sha256", prefix + target.href, "base64url");
      known.set(target, key);
    }
    return key;
  };
}
