import type { Unlock } from "./shared.ts";

export interface ReplicaLookup<T> {
  /** Takes the lock of the key; resolves without it if the store is gone or another replica holds it for too long. */
  readonly lock: () => Promise<Unlock>;
  /** Reads the answer of another replica; null if there is none. */
  readonly find: () => Promise<T | null>;
  /** Asks the origin, and starts to write the result. */
  readonly ask: () => Promise<T>;
  /** Resolves when the result of `ask` is in the store. */
  readonly written: () => Promise<void>;
}

/** Request coalescing (single-flight) between replicas: the holder of the lock asks the origin, the others read its result. */
export async function coalesceReplicas<T>({ lock, find, ask, written }: ReplicaLookup<T>): Promise<T> {
  const found = await find();
  if (found !== null) return found;
  const unlock = await lock();
  try {
    // Another replica may have asked meanwhile, even if this one got the lock without waiting.
    return (await find()) ?? (await ask());
  } finally {
    // The caller does not wait for the store. The lock does: its next holder must find the result.
    void written().then(unlock);
  }
}
