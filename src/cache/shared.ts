import type { Entry } from "./entry.ts";

/**
 * A store that replicas share. It is optional, and the service works without it: no method rejects, and each has a timeout.
 * A value that this version of the service did not write is read as null.
 */
export interface SharedStore {
  get(key: string): Promise<Entry | null>;
  /** Writes an entry that expires at `usefulUntil(entry)`. */
  set(key: string, entry: Entry): Promise<void>;
  delete(key: string): Promise<void>;
  /** Calls the listener with each key that another replica deletes while the store is available. */
  onInvalidated(listener: (key: string) => void): void;
  /**
   * Takes the lock of a key, so that one replica asks the origin for all. Resolves without the lock if the store is
   * unavailable or another replica holds it for too long: the origin is then asked anyway.
   *
   * @returns the function that releases the lock
   */
  lock(key: string): Promise<Unlock>;
}

export type Unlock = () => void;
