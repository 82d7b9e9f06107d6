import { OracleError } from "../domain/errors.ts";

/**
 * Retry-After backoff: after a 429 or 503 for one URL, no URL of that origin is requested for a while.
 *
 * Keyed by origin (scheme, host and port): another service may listen on another port.
 */
export interface Pauses {
  /** @throws OracleError `source_status` with the status that began the pause, while it lasts */
  check(origin: string): void;
  /**
   * Begins a pause.
   *
   * @param retryAfter the header (RFC 9110 10.2.3): seconds or a date; null or malformed means the default
   * @returns how long it lasts, in milliseconds
   */
  begin(origin: string, status: number, retryAfter: string | null): number;
}

export interface PausesOptions {
  /** Without a valid Retry-After. */
  readonly defaultMs: number;
  /** Upper bound of Retry-After: a single URL under an attacker's control would block its whole origin. */
  readonly maxMs: number;
  /** Origins in memory. Beyond it the oldest pauses are dropped. */
  readonly maxOrigins: number;
  /** Epoch milliseconds. */
  readonly now: () => number;
}

const leastMs = 1000; // for 0, or a date in the past

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
