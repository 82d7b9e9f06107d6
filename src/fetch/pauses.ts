import { OracleError } from "../domain/errors.ts";

/**
 * Retry-After backoff: an origin that answered one URL with 429 or 503 is not asked for any of its URLs for a while.
 *
 * Keyed by origin (scheme, host and port): another service may listen on another port.
 */
export interface Pauses {
  /** @throws OracleError `source_status` with what the host said then, while its pause lasts */
  check(origin: string): void;
  /**
   * Begins a pause.
   *
   * @param retryAfter the header (RFC 9110 10.2.3): seconds or a date; null, or of no such form, leaves it to the default
   * @returns how long it lasts, in milliseconds
   */
  begin(origin: string, status: number, retryAfter: string | null): number;
}

export interface PausesOptions {
  /** Where the host does not say how long. */
  readonly defaultMs: number;
  /** However long it says: whoever can make one URL of a host say so shuts off all of it. */
  readonly maxMs: number;
  /** Origins in memory. Past that the oldest pauses are dropped. */
  readonly maxOrigins: number;
  /** Epoch milliseconds. */
  readonly now: () => number;
}

const leastMs = 1000; // a date that has just passed, or 0

export function createPauses({ defaultMs, maxMs, maxOrigins, now }: PausesOptions): Pauses {
  const pauses = new Map<string, { readonly status: number; readonly until: number }>();

  function spanOf(retryAfter: string): number {
    const spanMs = /^\d+$/.test(retryAfter) ? Number(retryAfter) * 1000 : Date.parse(retryAfter) - now();
    return Number.isNaN(spanMs) ? defaultMs : Math.min(maxMs, Math.max(leastMs, spanMs));
  }

  return {
    check(origin) {
      const pause = pauses.get(origin);
      if (!pause) return;
      const retryAfterMs = pause.until - now();
      if (retryAfterMs <= 0) return void pauses.delete(origin);
      const details = { upstreamStatus: pause.status, retryAfterMs };
      throw new OracleError("source_status", "the host wants to be left alone", details);
    },
    begin(origin, status, retryAfter) {
      const spanMs = retryAfter === null ? defaultMs : spanOf(retryAfter);
      pauses.delete(origin);
      for (const oldest of pauses.keys()) {
        if (pauses.size < maxOrigins) break;
        pauses.delete(oldest);
      }
      pauses.set(origin, { status, until: now() + spanMs });
      return spanMs;
    },
  };
}
