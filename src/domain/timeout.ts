import { OracleError, type UnreachableReason } from "./errors.ts";

/** The timeout of a phase, and the reason to report when it fires. */
export interface PhaseOptions {
  readonly timeoutMs: number;
  readonly reason: UnreachableReason;
}

/**
 * Runs one phase of a fetch with its own timeout. The promise rejects at the timeout even if the work ignores its
 * signal; the work should then still free its resources.
 *
 * @param outer aborted at the deadline of the whole fetch
 * @throws OracleError `source_unreachable`: with `reason` at the timeout, with `timeout` if `outer` is aborted
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
 * Starts a timeout whose signal is also aborted with `outer`.
 *
 * The timers of the layers below are not used: they fire late, or restart with every byte.
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
