import type { DecoderProcess } from "./worker-process.ts";

export interface RestartBackoffOptions {
  /** Called at the end of a pause. */
  readonly onEnd: () => void;
  /** Called with the reason of a failed start: once for each reason, until a new process has answered. */
  readonly onFailedStart: (reason: string) => void;
}

/** Restart backoff: pauses all starts after a failed one, twice as long each time, until a new worker has answered. */
export interface RestartBackoff {
  readonly isPaused: boolean;
  /** Whether starts have failed since the last proof. */
  readonly isFailing: boolean;
  /** Counts a process that could not start, or ended unused. */
  begin(process: DecoderProcess, isReported: boolean): void;
  /** A new process has answered: starts work again. */
  prove(): void;
  close(): void;
}

// 0.2 s, 0.4 s, … A start takes 0.2 s of CPU time, so that a broken installation uses less than 1 % of a core in the end.
const firstPauseMs = 200;
const longestPauseMs = 30_000;
// If not even the process was created (EMFILE, EAGAIN, ENOMEM), an attempt costs one system call, and the shortage may
// end at any moment.
const longestPauseWithoutProcessMs = 2_000;
// A reason may contain a varying text, such as an address in a crash dump: bounds the memory and the log.
const maxReportedReasons = 10;

export function createRestartBackoff({ onEnd, onFailedStart }: RestartBackoffOptions): RestartBackoff {
  const reported = new Set<string>(); // reasons of the consecutive failed starts
  let failures = 0; // consecutive failed starts
  let pause: NodeJS.Timeout | undefined;
  let isClosed = false;

  async function report({ ready }: DecoderProcess): Promise<void> {
    const reason = await ready.then(
      () => "it ended before its first picture",
      (error: unknown) => (error instanceof Error ? error.message : "unknown"),
    );
    if (isClosed || reported.has(reason) || reported.size >= maxReportedReasons) return;
    reported.add(reason);
    onFailedStart(reason);
  }

  return {
    get isPaused() {
      return pause !== undefined;
    },
    get isFailing() {
      return failures > 0;
    },
    begin(process, isReported) {
      if (isReported) void report(process);
      if (pause) return; // simultaneous failures count once
      const maxPauseMs = process.pid === null ? longestPauseWithoutProcessMs : longestPauseMs;
      const pauseMs = Math.min(maxPauseMs, firstPauseMs * 2 ** Math.min(failures, 16));
      failures += 1;
      pause = setTimeout(() => {
        pause = undefined;
        onEnd();
      }, pauseMs);
    },
    prove() {
      failures = 0;
      reported.clear();
    },
    close() {
      isClosed = true;
      clearTimeout(pause);
    },
  };
}
