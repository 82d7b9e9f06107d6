import type { Reader } from "../reader.ts";

/** Apple's Audio Interchange File Format: its read plan knows the duration, and nothing reads its covers. */
export const reader: Reader = {
  show: () => Promise.resolve(null),
};
