/** A virtual clock, which jumps from one timer to the next: a simulated day takes only its computation time. */
export interface VirtualTime {
  /** Epoch milliseconds. */
  readonly now: () => number;
  readonly after: (milliseconds: number) => Promise<void>;
  /** Advances the clock to the given time, and runs all timers until then. */
  readonly advanceTo: (time: number) => Promise<void>;
}

interface Timer {
  readonly time: number;
  readonly resolve: () => void;
}

export function createVirtualTime(start: number): VirtualTime {
  let time = start;
  const timers: Timer[] = []; // descending, so that the next one is last

  // Lets the promise reactions of one timer finish before the next timer.
  const settle = () => new Promise((resolve) => setImmediate(resolve));

  return {
    now: () => time,
    after: (milliseconds) =>
      new Promise((resolve) => {
        const timer = { time: time + milliseconds, resolve };
        const place = timers.findLastIndex((other) => other.time > timer.time);
        timers.splice(place + 1, 0, timer);
      }),
    async advanceTo(end) {
      for (let next = timers.at(-1); next && next.time <= end; next = timers.at(-1)) {
        timers.pop();
        time = next.time;
        next.resolve();
        await settle();
      }
      time = end;
    },
  };
}
