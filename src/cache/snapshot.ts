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

/** What the memory holds, in a file: for the next process. */
export interface Snapshot {
  /**
   * Puts the entries of the file into the memory. Skips a line that is no valid entry: one bad entry must not cost all others.
   *
   * @throws SnapshotRefused if it is not a file that {@link save} wrote: nothing is loaded
   * @throws Error of the system
   */
  load(): Promise<Loaded>;
  /**
   * Writes what the memory holds now, after a writing that is under way.
   *
   * @throws Error of the system; the file is then what it was
   */
  save(): Promise<void>;
}

export function createSnapshot({ file, memory, maxBytes, now }: SnapshotOptions): Snapshot {
  let saving = Promise.resolve();

  function* linesOf(entries: ReturnType<typeof entriesNow>): Generator<string> {
    for (const [key, entry] of entries) if (now() < usefulUntil(entry)) yield entryToText(key, entry);
  }

  // All at once: what is asked for in the middle of it would be moved to the front, again and again.
  const entriesNow = () => [...memory.entries()];

  return {
    async load() {
      await removeTemporaryFiles(file);
      const lines = (await readSnapshotFile(file, maxBytes)) ?? [];
      const entries = lines.flatMap((line) => textToEntry(line, now()) ?? []);
      // The one that was asked for last becomes that again.
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
