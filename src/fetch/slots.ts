import { OracleError } from "../domain/errors.ts";

/** The right to fetch one thing; disposed of, it is released. */
export interface Slot extends Disposable {
  /** Lets the next one in; a second call does nothing. */
  release(): void;
}

export interface Slots {
  /**
   * Waits for a slot, first come first served; a host at its own limit does not hold up the hosts behind it.
   *
   * @param host name and port, as in the URL; or an address and port
   * @throws OracleError `overloaded`: at once where the queue is full, or when the signal comes before the slot
   */
  take(host: string, signal: AbortSignal): Promise<Slot>;
  /** Takes a slot if there is one now, else null. */
  tryTake(host: string): Slot | null;
  readonly active: number;
  readonly waiting: number;
}

export interface SlotsOptions {
  readonly maxActive: number;
  readonly maxActivePerHost: number;
  /** How many may wait in all; one host at most a quarter of it, so that it alone cannot shut the others out. */
  readonly maxWaiting: number;
}

interface Waiter {
  readonly host: string;
  readonly admit: (slot: Slot) => void;
}

export function createSlots({ maxActive, maxActivePerHost, maxWaiting }: SlotsOptions): Slots {
  const maxWaitingPerHost = Math.ceil(maxWaiting / 4);
  const activeOf = new Map<string, number>(); // only hosts with work: strangers choose the names
  const queue: Waiter[] = [];
  let active = 0;

  const hasRoom = (host: string) => active < maxActive && (activeOf.get(host) ?? 0) < maxActivePerHost;

  function occupy(host: string): Slot {
    active += 1;
    activeOf.set(host, (activeOf.get(host) ?? 0) + 1);
    let held = true;
    function release() {
      if (!held) return;
      held = false;
      active -= 1;
      const left = (activeOf.get(host) ?? 0) - 1;
      if (left > 0) activeOf.set(host, left);
      else activeOf.delete(host);
      // One slot came free, so at most one can be let in: all others still wait for what they waited for.
      const next = queue.findIndex((waiter) => hasRoom(waiter.host));
      if (next >= 0) for (const waiter of queue.splice(next, 1)) waiter.admit(occupy(waiter.host));
    }
    return { release, [Symbol.dispose]: release };
  }

  return {
    take(host, signal) {
      const refuse = (why: string) => Promise.reject(new OracleError("overloaded", why));
      if (signal.aborted) return refuse("given up before a slot was asked for");
      if (hasRoom(host)) return Promise.resolve(occupy(host));
      if (queue.length >= maxWaiting) return refuse(`${queue.length} are waiting`);
      const ofHost = queue.filter((waiter) => waiter.host === host).length;
      if (ofHost >= maxWaitingPerHost) return refuse(`${ofHost} are waiting for this host`);
      return new Promise((resolve, reject) => {
        const waiter: Waiter = {
          host,
          admit(slot) {
            signal.removeEventListener("abort", giveUp);
            resolve(slot);
          },
        };
        function giveUp() {
          queue.splice(queue.indexOf(waiter), 1);
          reject(new OracleError("overloaded", "no slot came free in time"));
        }
        signal.addEventListener("abort", giveUp, { once: true });
        queue.push(waiter);
      });
    },
    tryTake: (host) => (hasRoom(host) ? occupy(host) : null),
    get active() {
      return active;
    },
    get waiting() {
      return queue.length;
    },
  };
}
