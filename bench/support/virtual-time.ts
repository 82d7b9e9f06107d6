/** A clock that stands still until the next thing is due: a day passes as fast as it can be computed. */
export interface VirtualTime {
  /** Epoch milliseconds. */
  readonly now: () => number;
  readonly after: (milliseconds: number) => Promise<void>;
  /** Lets time pass until then, with all that falls due. */
  readonly passTo: (time: number) => Promise<void>;
}

interface Due {
  readonly time: number;
  readonly resolve: () => void;
}

export function createVirtualTime(start: number): VirtualTime {
  let time = start;
  const waiting: Due[] = []; // the first due is the last

  // What follows of it in promises is done before the next.
  const settle = () => new Promise((resolve) => setImmediate(resolve));

  return {
    now: () => time,
    after: (milliseconds) =>
      new Promise((resolve) => {
        const due = { time: time + milliseconds, resolve };
        const place = waiting.findLastIndex((other) => other.time > due.time);
        waiting.splice(place + 1, 0, due);
      }),
    async passTo(end) {
      for (let next = waiting.at(-1); next && next.time <= end; next = waiting.at(-1)) {
        waiting.pop();
        time = next.time;
        next.resolve();
        await settle();
      }
      time = end;
    },
  };
}
