import type { Logger } from "pino";
import type { Memory } from "./memory.ts";
import { createSnapshot } from "./snapshot.ts";
import { SnapshotRefused } from "./snapshot-file.ts";

// Writing a full cache takes about 0.3 s for 23 MB.
export const saveEveryMs = 5 * 60_000;

/** Loads the cache file into memory and saves it from then on. A failure is logged, and the cache starts empty. */
export async function openSnapshot(file: string, memory: Memory, maxBytes: number, logger: Logger) {
  const snapshot = createSnapshot({ file, memory, maxBytes, now: Date.now });
  const warn = (error: unknown, words: string) => {
    const { code, message } = error as NodeJS.ErrnoException;
    logger.warn({ reason: error instanceof SnapshotRefused ? message : code }, words);
  };
  const save = () => snapshot.save().catch((error: unknown) => warn(error, "the cache could not be saved"));
  try {
    const { entries, skipped } = await snapshot.load();
    logger.info({ entries }, "the cache was read from its file");
    if (skipped > 0) logger.warn({ skipped }, "entries of the cache file cannot be read: skipped them");
  } catch (error) {
    warn(error, "the cache file cannot be used: starting with an empty cache");
  }
  setInterval(() => void save(), saveEveryMs).unref();
  return { save };
}
