import { OracleError } from "../domain/errors.ts";
import { type Limits, type Permit, type Semaphore, wholeKey } from "../domain/limits.ts";
import { startTimeLimit } from "../domain/timeout.ts";

export interface SemaphoreOptions {
  readonly maxActive: number;
  /** Queue limit; beyond it `overloaded`. */
  readonly maxWaiting: number;
  readonly maxWaitingPerSite: number;
  /** Milliseconds, monotonic. */
  readonly now: () => number;
}

interface Waiter {
  readonly limits: Limits;
  readonly since: number;
  readonly admit: (slot: Permit) => void;
  readonly refuse: (error: OracleError) => void;
}

/**
 * Creates a concurrency limit with a fair queue.
 *
 * The queue is round-robin over sites (the widest limit of a caller), FIFO within a site; a site at its own limit does
 * not block the others. Each site has a bounded part of the queue. If the queue is full, a site with fewer waiting
 * callers evicts the last one of the site with the most.
 */
export function createSemaphore({ maxActive, maxWaiting, maxWaitingPerSite, now }: SemaphoreOptions): Semaphore {
  const activeOf = new Map<string, number>(); // only keys with active slots: strangers choose the names
  const sites = new Map<string, Waiter[]>(); // in the order in which they are served
  let active = 0;
  let waiting = 0;

  /** Returns the key of the exhausted limit, the narrowest first; null if there is room. */
  function blockerOf(limits: Limits): string | null {
    const full = limits.find(({ key, maxActive }) => (activeOf.get(key) ?? 0) >= maxActive);
    return full?.key ?? (active >= maxActive ? wholeKey : null);
  }

  function refusalOf(limits: Limits, why: string): OracleError {
    const blocker = blockerOf(limits) ?? wholeKey;
    return new OracleError(blocker === wholeKey ? "overloaded" : "host_busy", why);
  }

  function count(limits: Limits, change: 1 | -1): void {
    active += change;
    for (const { key } of limits) {
      const left = (activeOf.get(key) ?? 0) + change;
      if (left > 0) activeOf.set(key, left);
      else activeOf.delete(key);
    }
  }

  function occupy(limits: Limits): Permit {
    count(limits, 1);
    let held = true;
    function release() {
      if (!held) return;
      held = false;
      count(limits, -1);
      admitNext();
    }
    return { release, [Symbol.dispose]: release };
  }

  /** Admits the next waiter after a release; at most one can be admitted, since the limits are nested. */
  function admitNext(): void {
    for (const [site, waiters] of sites) {
      const next = waiters.find(({ limits }) => blockerOf(limits) === null);
      if (!next) continue;
      leaveQueue(next);
      // Round-robin: moves the site to the end.
      if (sites.delete(site) && waiters.length > 0) sites.set(site, waiters);
      return next.admit(occupy(next.limits));
    }
  }

  function leaveQueue(waiter: Waiter): void {
    const site = siteOf(waiter.limits);
    const waiters = sites.get(site) ?? [];
    waiters.splice(waiters.indexOf(waiter), 1);
    if (waiters.length === 0) sites.delete(site);
    waiting -= 1;
  }

  /** Makes room in a full queue for a site with fewer waiting; returns whether there is room. */
  function makeRoom(waitingOfSite: number): boolean {
    if (waiting < maxWaiting) return true;
    let longest: Waiter[] = [];
    for (const waiters of sites.values()) if (waiters.length > longest.length) longest = waiters;
    const last = longest.at(-1);
    if (!last || longest.length <= waitingOfSite + 1) return false;
    leaveQueue(last);
    last.refuse(new OracleError("host_busy", "the queue is full, and this site has the most waiting"));
    return true;
  }

  function enqueue(waiter: Waiter): void {
    const site = siteOf(waiter.limits);
    const waiters = sites.get(site) ?? [];
    waiters.push(waiter);
    sites.set(site, waiters);
    waiting += 1;
  }

  return {
    take(limits, signal) {
      if (signal.aborted) return Promise.reject(refusalOf(limits, "given up before a slot was requested"));
      if (blockerOf(limits) === null) return Promise.resolve(occupy(limits));
      const waitingOfSite = sites.get(siteOf(limits))?.length ?? 0;
      if (waitingOfSite >= maxWaitingPerSite) {
        return Promise.reject(new OracleError("host_busy", `${waitingOfSite} of this site are waiting`));
      }
      if (!makeRoom(waitingOfSite)) return Promise.reject(refusalOf(limits, `${waiting} are waiting`));
      return new Promise((resolve, reject) => {
        const end = () => signal.removeEventListener("abort", giveUp);
        const waiter: Waiter = {
          limits,
          since: now(),
          admit(slot) {
            end();
            resolve(slot);
          },
          refuse(error) {
            end();
            reject(error);
          },
        };
        function giveUp() {
          leaveQueue(waiter);
          reject(refusalOf(limits, "no slot came free in time"));
        }
        signal.addEventListener("abort", giveUp, { once: true });
        enqueue(waiter);
      });
    },
    tryTake: (limits) => (blockerOf(limits) === null ? occupy(limits) : null),
    starved(waitedMs) {
      const counts = new Map<string, number>();
      const latest = now() - waitedMs;
      for (const waiters of sites.values()) {
        for (const { limits, since } of waiters) {
          const blocker = since <= latest ? blockerOf(limits) : null;
          if (blocker !== null) counts.set(blocker, (counts.get(blocker) ?? 0) + 1);
        }
      }
      return counts;
    },
    get active() {
      return active;
    },
    get waiting() {
      return waiting;
    },
  };
}

/** Waits at most `timeoutMs` for a slot; null if none became free. */
export async function takeWithin(
  timeoutMs: number,
  slots: Semaphore,
  limits: Limits,
  outer: AbortSignal,
): Promise<Permit | null> {
  using limit = startTimeLimit(timeoutMs, outer);
  return await slots.take(limits, limit.signal).catch(() => null); // the time limit ends with the wait
}

function siteOf(limits: Limits): string {
  return (limits.at(-1) ?? limits[0]).key;
}
