import { OracleError, type UnreachableReason } from "../domain/errors.ts";

/** What a phase may take, and what its failure is called. */
export interface PhaseOptions {
  readonly timeoutMs: number;
  readonly reason: UnreachableReason;
}

/**
 * Runs one phase of a fetch with a timer of its own. The promise rejects at the moment, whether or not the work heeds
 * its signal; the work should still free what it holds then.
 *
 * @param outer the end of the whole fetch
 * @throws OracleError `source_unreachable`, with the reason given at the timeout, with `timeout` at the outer's end
 */
export async function within<T>(
  { timeoutMs, reason }: PhaseOptions,
  outer: AbortSignal,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  if (outer.aborted) throw new OracleError("source_unreachable", "too late to begin", { reason: "timeout" });
  const inner = new AbortController();
  let cut!: (why: UnreachableReason) => void; // set by the next statement
  const end = new Promise<never>((_, reject) => {
    cut = (why) => {
      reject(new OracleError("source_unreachable", `the ${reason} phase did not end in time`, { reason: why }));
      inner.abort();
    };
  });
  const onOuterAbort = () => cut("timeout");
  outer.addEventListener("abort", onOuterAbort, { once: true });
  const timer = setTimeout(cut, timeoutMs, reason);
  try {
    return await Promise.race([end, work(inner.signal)]);
  } finally {
    clearTimeout(timer);
    outer.removeEventListener("abort", onOuterAbort);
  }
}

/**
 * Starts a timeout that is aborted with `outer` too.
 *
 * A timer of our own: those of the layers below fire late, or restart with every byte.
 */
export function startTimeLimit(timeoutMs: number, outer?: AbortSignal): Disposable & { readonly signal: AbortSignal } {
  const controller = new AbortController();
  const abort = () => controller.abort();
  const timer = setTimeout(abort, timeoutMs);
  if (outer?.aborted) abort();
  outer?.addEventListener("abort", abort, { once: true });
  return {
    signal: controller.signal,
    [Symbol.dispose]() {
      clearTimeout(timer);
      outer?.removeEventListener("abort", abort);
    },
  };
}
