/**
 * Closes a connection on which nothing was sent or received for 60 s: twice the longest `deadlineMs`. It ends clients
 * that do not read their answers.
 */
export const inactivityTimeoutMs = 60_000;

/**
 * The deadline of a lookup or batch without `deadlineMs`, from the request's start, so that the answer is sent before
 * the inactivity timeout of its connection closes it: 60 s - 60 s / 12 = 55 s. The other 5 s are for a busy event loop.
 */
export function implicitDeadlineMs(inactivityTimeoutMs: number): number {
  return inactivityTimeoutMs - inactivityTimeoutMs / 12;
}

/** For the documents. */
export const implicitDeadlineSeconds = implicitDeadlineMs(inactivityTimeoutMs) / 1000;
