/** A permit of the semaphore. Disposing releases it. */
export interface Permit extends Disposable {
  /** Admits the next in the queue; a second call does nothing. */
  release(): void;
}

/** A concurrency limit within the limit of all slots: of a host, a site, an address or a block of addresses. */
export interface Limit {
  readonly key: string;
  readonly maxActive: number;
}

/** The key of the limit of all slots together, in {@link Semaphore.starved}. */
export const wholeKey = "";

/** Narrowest first, each within the next: a host in its site, an address in its block. The last one is the unit of fairness. */
export type Limits = readonly [Limit, ...Limit[]];

/** Concurrency limit (semaphore) with a fair queue. */
export interface Semaphore {
  /**
   * Waits for a slot.
   *
   * @throws OracleError `overloaded` for a limit of the whole service, `host_busy` for a narrower one: at once if the
   * queue is full, or when the signal is aborted before a slot is free
   */
  take(limits: Limits, signal: AbortSignal): Promise<Permit>;
  /** Takes a slot if one is free now, else null. */
  tryTake(limits: Limits): Permit | null;
  /** Counts the callers that have waited for at least `waitedMs`, by the key of the limit that blocks them. */
  starved(waitedMs: number): Map<string, number>;
  readonly active: number;
  readonly waiting: number;
}
