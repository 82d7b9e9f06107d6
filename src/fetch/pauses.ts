import { OracleError } from "../domain/errors.ts";

/** Hosts that asked to be left alone (429, 503): whichever of their URLs was answered so. A host is a name and a port. */
export interface Pauses {
  /** @throws OracleError `source_status` with what the host said then, while its pause lasts */
  check(host: string): void;
  /**
   * Begins a pause.
   *
   * @param retryAfter the header (RFC 9110 10.2.3): seconds or a date; null, or of no such form, leaves it to the default
   * @returns how long it lasts, in milliseconds
   */
  begin(host: string, status: number, retryAfter: string | null): number;
}

export interface PausesOptions {
  /** Where the host does not say how long. */
  readonly defaultMs: number;
  /** However long it says: whoever can make one URL of a host say so shuts off all of it. */
  readonly maxMs: number;
  /** Hosts that are kept in mind. Past that the ones whose pause began first are asked again. */
  readonly maxHosts: number;
  /** Epoch milliseconds. */
  readonly now: () => number;
}

const leastMs = 1000; // a date that has just passed, or 0

export function createPauses({ defaultMs, maxMs, maxHosts, now }: PausesOptions): Pauses {
  const pauses = new Map<string, { readonly status: number; readonly until: number }>();

  function spanOf(retryAfter: string): number {
    const spanMs = /^\d+$/.test(retryAfter) ? Number(retryAfter) * 1000 : Date.parse(retryAfter) - now();
    return Number.isNaN(spanMs) ? defaultMs : Math.min(maxMs, Math.max(leastMs, spanMs));
  }

  return {
    check(host) {
      const pause = pauses.get(host);
      if (!pause) return;
      const retryAfterMs = pause.until - now();
      if (retryAfterMs <= 0) return void pauses.delete(host);
      const details = { upstreamStatus: pause.status, retryAfterMs };
      throw new OracleError("source_status", "the host wants to be left alone", details);
    },
    begin(host, status, retryAfter) {
      const spanMs = retryAfter === null ? defaultMs : spanOf(retryAfter);
      pauses.delete(host);
      for (const oldest of pauses.keys()) {
        if (pauses.size < maxHosts) break;
        pauses.delete(oldest);
      }
      pauses.set(host, { status, until: now() + spanMs });
      return spanMs;
    },
  };
}
