/**
 * Inactivity timeout: a connection on which nothing was sent or received for 60 s is closed, which is twice the longest
 * `deadlineMs`. Clients that do not read their responses are disconnected by it.
 */
export const inactivityTimeoutMs = 60_000;

/**
 * The deadline of a lookup or batch without `deadlineMs`, from the request's start, so that the answer is sent before
 * the inactivity timeout of its connection closes it: 60 s - 60 s / 12 = 55 s. The other 5 s are for a busy event loop.
 */
export function implicitDeadlineMs(inactivityTimeoutMs: number): number {
  return inactivityTimeoutMs - inactivityTimeoutMs / 12;
}

/** The deadline in seconds, for the OpenAPI document. */
export const implicitDeadlineSeconds = implicitDeadlineMs(inactivityTimeoutMs) / 1000;
