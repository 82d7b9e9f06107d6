/** Tells somebody at a terminal how far a batch is: rate, failures, time left. */
export interface Progress {
  told(isAnswered: boolean): void;
  /** A question that was answered in an earlier run. */
  skipped(): void;
  /** Says how it ended, also where there is no terminal. */
  end(): void;
  /** In this run, those that failed included. */
  readonly asked: number;
  readonly failures: number;
}

type Output = NodeJS.WritableStream & { readonly isTTY?: boolean };

const drawEveryMs = 200;

function span(seconds: number): string {
  const whole = Math.ceil(seconds);
  if (whole < 60) return `${whole} s`;
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${whole % 60} s`;
  return `${Math.floor(whole / 3600)} h ${Math.floor((whole % 3600) / 60)} min`;
}

/** @param total null where nobody knows how many there will be */
export function createProgress(output: Output, total: number | null): Progress {
  const startedAt = performance.now();
  let [asked, failures, skipped, drawnAt] = [0, 0, 0, 0];

  function line(): string {
    const seconds = (performance.now() - startedAt) / 1000;
    const rate = asked / Math.max(seconds, 0.001);
    const parts = [
      `${asked + skipped}${total === null ? "" : ` of ${total}`}`,
      `${rate.toFixed(1)}/s`,
      `${failures} failed`,
    ];
    if (total !== null && asked > 0) parts.push(`${span((total - skipped - asked) / rate)} left`);
    return parts.join(", ");
  }

  return {
    told(isAnswered) {
      asked += 1;
      if (!isAnswered) failures += 1;
      if (!output.isTTY || performance.now() - drawnAt < drawEveryMs) return;
      drawnAt = performance.now();
      output.write(`\r\x1b[K${line()}`);
    },
    skipped: () => void (skipped += 1),
    end() {
      const seconds = (performance.now() - startedAt) / 1000;
      const earlier = skipped > 0 ? `, ${skipped} were answered before` : "";
      output.write(
        `${output.isTTY ? "\r\x1b[K" : ""}${asked} asked in ${span(seconds)}, ${failures} failed${earlier}\n`,
      );
    },
    get asked() {
      return asked;
    },
    get failures() {
      return failures;
    },
  };
}
