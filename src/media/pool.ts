import type { DecoderProcess } from "./process.ts";

/** `leaving`: killed, and not gone yet. */
export type ProcessState = "starting" | "idle" | "busy" | "leaving";

/** A process and what the pool keeps about it. */
export interface Member {
  readonly process: DecoderProcess;
  state: ProcessState;
  /** How often it was taken. */
  taken: number;
}

export interface PoolOptions {
  /** How many may be busy; one more is kept, which is there at once when one of them has to be killed. */
  readonly processes: number;
  readonly startProcess: () => DecoderProcess;
  /** Called whenever {@link Pool.take} may succeed again. */
  readonly onFree: () => void;
}

/** Keeps processes alive: whichever ends is replaced. */
export interface Pool {
  /** Starts the first process, then the others; rejects as that one does. */
  start(): Promise<void>;
  readonly isFree: boolean;
  /** An idle process, busy from now on; undefined where as many are busy as may be. */
  take(): Member | undefined;
  giveBack(member: Member): void;
  /** Kills it. */
  discard(member: Member): void;
  /** To be told when one did its work: what it is that starts is then not broken. */
  proven(): void;
  readonly members: readonly Member[];
  readonly restarts: number;
  close(): Promise<void>;
}

// Processes that end without ever having been of use: 0.2 s, 0.4 s, … so that a broken installation burns no core.
const firstPauseMs = 200;
const longestPauseMs = 30_000;

export function createPool({ processes, startProcess, onFree }: PoolOptions): Pool {
  const members = new Set<Member>();
  let isClosed = false;
  let restarts = 0;
  let barren = 0; // in a row
  let pause: NodeJS.Timeout | undefined;

  const inState = (state: ProcessState) => [...members].filter((member) => member.state === state);
  const idle = () => (inState("busy").length < processes ? inState("idle").at(0) : undefined);

  function add(): Member {
    const member: Member = { process: startProcess(), state: "starting", taken: 0 };
    members.add(member);
    const ready = () => {
      if (member.state === "starting") member.state = "idle";
      onFree();
    };
    member.process.ready.then(ready).catch(() => null); // `ended` tells of a failed start too
    void member.process.ended.then(() => {
      members.delete(member);
      if (isClosed) return;
      restarts += 1;
      if (member.taken === 0) barren += 1;
      if (barren < 2) refill();
      else pause ??= setTimeout(refill, Math.min(longestPauseMs, firstPauseMs * 2 ** Math.min(barren - 2, 16)));
    });
    return member;
  }

  function refill(): void {
    clearTimeout(pause);
    pause = undefined;
    while (!isClosed && members.size <= processes) add();
  }

  async function close(): Promise<void> {
    isClosed = true;
    clearTimeout(pause);
    for (const { process } of members) process.kill();
    await Promise.all([...members].map(({ process }) => process.ended));
  }

  return {
    async start() {
      await add().process.ready;
      refill();
    },
    get isFree() {
      return idle() !== undefined;
    },
    take() {
      const member = idle();
      if (!member) return undefined;
      member.state = "busy";
      member.taken += 1;
      return member;
    },
    giveBack(member) {
      if (member.state === "busy") member.state = "idle"; // and not killed at the last moment
      onFree();
    },
    discard(member) {
      member.state = "leaving";
      member.process.kill();
      onFree(); // the spare takes over before it is gone
    },
    proven: () => void (barren = 0),
    get members() {
      return [...members];
    },
    get restarts() {
      return restarts;
    },
    close,
  };
}
