import { usefulUntil } from "./entry.ts";
import { entryToText, textToEntry } from "./entry-text.ts";
import type { Memory } from "./memory.ts";
import { readSnapshotFile, removeTemporaryFiles, writeSnapshotFile } from "./snapshot-file.ts";

export interface SnapshotOptions {
  readonly file: string;
  readonly memory: Memory;
  /** A larger file is refused unread. */
  readonly maxBytes: number;
  /** Epoch milliseconds. */
  readonly now: () => number;
}

/** Numbers of lines: those loaded into the memory, and those skipped because they are no valid entry. */
export interface Loaded {
  readonly entries: number;
  readonly skipped: number;
}

/** Keeps the cache over a restart: saves the entries of the memory in a file, and loads them. */
export interface Snapshot {
  /**
   * Puts the entries of the file into the memory. Skips an invalid line: one bad entry must not discard all others.
   *
   * @throws SnapshotRefused if it is not a file that {@link save} wrote: nothing is loaded
   * @throws Error of the system
   */
  load(): Promise<Loaded>;
  /**
   * Writes the current entries of the memory, after a save in progress has ended.
   *
   * @throws Error of the system; the file is then unchanged
   */
  save(): Promise<void>;
}

export function createSnapshot({ file, memory, maxBytes, now }: SnapshotOptions): Snapshot {
  let saving = Promise.resolve();

  function* linesOf(entries: ReturnType<typeof entriesNow>): Generator<string> {
    for (const [key, entry] of entries) if (now() < usefulUntil(entry)) yield entryToText(key, entry);
  }

  // Copied in one step: during a slow iteration, entries in use would move to the front of the LRU and be visited repeatedly.
  const entriesNow = () => [...memory.entries()];

  return {
    async load() {
      await removeTemporaryFiles(file);
      const lines = (await readSnapshotFile(file, maxBytes)) ?? [];
      const entries = lines.flatMap((line) => textToEntry(line, now()) ?? []);
      // Reversed, so that the most recently used entry is set last and the LRU order is restored.
      for (const { key, entry } of entries.reverse()) memory.set(key, entry);
      return { entries: entries.length, skipped: lines.length - entries.length };
    },
    save() {
      const next = saving.then(() => writeSnapshotFile(file, linesOf(entriesNow())));
      saving = next.catch(() => undefined);
      return next;
    },
  };
}
