/** Counts the memory that all bodies being read take together. */
export interface ByteBudget {
  /** Whether there was room; if not, nothing is taken. */
  take(bytes: number): boolean;
  give(bytes: number): void;
  readonly used: number;
}

/** @param maxBytes past it the newcomer is refused, never one who has begun earlier and asks for nothing more */
export function createByteBudget(maxBytes: number): ByteBudget {
  let used = 0;
  return {
    take(bytes) {
      if (used + bytes > maxBytes) return false;
      used += bytes;
      return true;
    },
    give(bytes) {
      used -= bytes;
    },
    get used() {
      return used;
    },
  };
}
