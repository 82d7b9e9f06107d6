/** Shows the progress of a batch on a terminal: count, rate, failures, time left. */
export interface Progress {
  /** Counts a lookup of this run. */
  finished(isAnswered: boolean): void;
  /** Counts a line with a result of an earlier run. */
  skipped(): void;
  /** Prints the totals, even without a terminal. */
  end(): void;
  /** Lookups of this run, failures included. */
  readonly done: number;
  readonly failures: number;
}

type Output = NodeJS.WritableStream & { readonly isTTY?: boolean };

const drawEveryMs = 200;

function formatDuration(seconds: number): string {
  const total = Math.ceil(seconds);
  if (total < 60) return `${total} s`;
  if (total < 3600) return `${Math.floor(total / 60)} min ${total % 60} s`;
  return `${Math.floor(total / 3600)} h ${Math.floor((total % 3600) / 60)} min`;
}

/** @param total number of lines; null if unknown */
export function createProgress(output: Output, total: number | null): Progress {
  const startedAt = performance.now();
  let [done, failures, skipped, drawnAt] = [0, 0, 0, 0];

  function line(): string {
    const seconds = (performance.now() - startedAt) / 1000;
    const rate = done / Math.max(seconds, 0.001);
    const parts = [
      `${done + skipped}${total === null ? "" : ` of ${total}`}`,
      `${rate.toFixed(1)}/s`,
      `${failures} failed`,
    ];
    if (total !== null && done > 0) parts.push(`${formatDuration((total - skipped - done) / rate)} left`);
    return parts.join(", ");
  }

  return {
    finished(isAnswered) {
      done += 1;
      if (!isAnswered) failures += 1;
      if (!output.isTTY || performance.now() - drawnAt < drawEveryMs) return;
      drawnAt = performance.now();
      output.write(`\r\x1b[K${line()}`);
    },
    skipped: () => void (skipped += 1),
    end() {
      const seconds = (performance.now() - startedAt) / 1000;
      const skippedPart = skipped > 0 ? `, ${skipped} skipped (final results of an earlier run)` : "";
      output.write(
        `${output.isTTY ? "\r\x1b[K" : ""}${done} looked up in ${formatDuration(seconds)}, ${failures} failed${skippedPart}\n`,
      );
    },
    get done() {
      return done;
    },
    get failures() {
      return failures;
    },
  };
}
