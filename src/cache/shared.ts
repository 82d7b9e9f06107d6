import type { Entry } from "./entry.ts";

/**
 * A store that replicas share. Optional, and never needed for correctness: nothing here rejects, and each call is soon over
 * where the store is slow or gone. A value that is not ours, or not of this version, is null.
 */
export interface SharedStore {
  get(key: string): Promise<Entry | null>;
  /** Kept until `usefulUntil(entry)` by the store's own means. Not waited for. */
  set(key: string, entry: Entry): Promise<void>;
  delete(key: string): Promise<void>;
  /** Tells what another replica was told to forget, while the store is there. */
  onForgotten(listener: (key: string) => void): void;
  /**
   * The right to ask the origin, so that one replica does it for all. Resolves when it is had, or without it when the store
   * is gone or another had it for too long: then the origin is asked all the same.
   *
   * @returns what gives it back
   */
  lock(key: string): Promise<Unlock>;
}

export type Unlock = () => void;
