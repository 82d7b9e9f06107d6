import type { DecoderProcess } from "./worker-process.ts";

/** `leaving`: killed, and not gone yet. */
export type ProcessState = "starting" | "idle" | "busy" | "leaving";

/**
 * Which way a picture goes: what is expected to be done in a blink, and what is not. The slow ones go one at a time,
 * in a process that gives way to all others, so that no number of them can take what the quick ones need.
 */
export const lanes = ["quick", "slow"] as const;
export type Lane = (typeof lanes)[number];

/** A process and what the pool keeps about it. */
export interface Member {
  readonly process: DecoderProcess;
  state: ProcessState;
  /** How often it was taken. */
  taken: number;
  /** Whose picture it has, or had last. */
  lane: Lane;
  /** It gives way to all others, and so is the one for slow pictures. */
  isSlow: boolean;
  /** It has answered at least once. */
  isProven: boolean;
}

export interface PoolOptions {
  /** How many quick pictures may be under way; one process more is kept for the slow ones. */
  readonly processes: number;
  /** Also if it cannot be started: then its `ready` rejects and its `ended` resolves. */
  readonly startProcess: () => DecoderProcess;
  /** Called whenever {@link Pool.take} may succeed again. */
  readonly onFree: () => void;
}

/** Keeps processes alive: replaces each that ends, with a restart backoff if starts fail. */
export interface Pool {
  /** Starts the first process, then the others; resolves and rejects as that one gets ready. */
  start(): Promise<string>;
  isFree(lane: Lane): boolean;
  /** An idle process, busy from now on; undefined where as many are busy as may be. */
  take(lane: Lane): Member | undefined;
  giveBack(member: Member): void;
  /** Kills it. */
  discard(member: Member): void;
  /** Its picture is a slow one after all; false, and nothing changes, where another slow one is under way. */
  slowDown(member: Member): boolean;
  /** Ends the restart backoff when a new process gives its first answer. An older one says nothing about new starts. */
  proven(member: Member): void;
  readonly members: readonly Member[];
  readonly restarts: number;
  close(): Promise<void>;
}

// Restart backoff after a start that failed or a process that ended unused: 0.2 s, 0.4 s, … A start takes 0.2 s of a processor,
// so that a broken installation burns less than 1 % of one in the end.
const firstPauseMs = 200;
const longestPauseMs = 30_000;
// If the system has not even made a process (EMFILE, EAGAIN, ENOMEM), an attempt costs one system call, and the shortage may end at
// any moment.
const longestPauseWithoutProcessMs = 2_000;

export function createPool({ processes, startProcess, onFree }: PoolOptions): Pool {
  const members = new Set<Member>(); // the one that is idle for longest first
  let isClosed = false;
  let restarts = 0;
  let failures = 0; // starts in a row that came to nothing
  let pause: NodeJS.Timeout | undefined;

  const those = (is: (member: Member) => boolean) => [...members].filter(is);
  const busy = (lane: Lane) => those((member) => member.state === "busy" && member.lane === lane).length;
  const slow = () => those(({ isSlow, state }) => isSlow && state !== "leaving");

  /** The turn goes round, so that one which stands still is found even where there is little to do. */
  function idle(lane: Lane): Member | undefined {
    const candidates = those(({ state }) => state === "idle");
    const slowOne = candidates.find(({ isSlow }) => isSlow);
    if (lane === "slow") return busy("slow") === 0 ? slowOne : undefined;
    if (busy("quick") >= processes) return undefined;
    // The slow one stands in where another has just been killed.
    return candidates.find(({ isSlow }) => !isSlow) ?? slowOne;
  }

  function add(): Member {
    const isSlow = members.size > 0 && slow().length === 0;
    const process = startProcess();
    const member: Member = { process, state: "starting", taken: 0, lane: "quick", isSlow, isProven: false };
    if (isSlow) process.slowDown();
    members.add(member);
    const ready = () => {
      if (member.state === "starting") member.state = "idle";
      refill();
      onFree();
    };
    process.ready.then(ready).catch(() => null); // `ended` follows a failed start too
    void process.ended.then(() => {
      members.delete(member);
      if (isClosed) return;
      restarts += 1;
      if (member.taken === 0) backOff(process.pid === null ? longestPauseWithoutProcessMs : longestPauseMs);
      refill();
    });
    return member;
  }

  /** Starts no process for a while: longer each time, until a new one has proved that starts are of use. */
  function backOff(maxPauseMs: number): void {
    if (pause) return; // of several that failed at once, the first counts
    const pauseMs = Math.min(maxPauseMs, firstPauseMs * 2 ** Math.min(failures, 16));
    failures += 1;
    pause = setTimeout(() => {
      pause = undefined;
      refill();
    }, pauseMs);
  }

  /**
   * Starts the missing processes, all at once. After a failed start one at a time, each when the one before is ready: under a shortage of
   * descriptors or memory, many starts at once would only make it worse.
   */
  function refill(): void {
    while (!isClosed && !pause && members.size <= processes) {
      if (failures > 0 && those(({ state }) => state === "starting").length > 0) return;
      add();
    }
  }

  function discard(member: Member): void {
    member.state = "leaving";
    member.process.kill();
    onFree(); // another takes over before it is gone
  }

  async function close(): Promise<void> {
    isClosed = true;
    clearTimeout(pause);
    for (const { process } of members) process.kill();
    await Promise.all([...members].map(({ process }) => process.ended));
  }

  return {
    // Async, so that an exception of `startProcess` is a rejection here.
    start: async () => add().process.ready,
    isFree: (lane) => idle(lane) !== undefined,
    take(lane) {
      const member = idle(lane);
      if (!member) return undefined;
      members.delete(member);
      members.add(member);
      member.state = "busy";
      member.lane = lane;
      member.taken += 1;
      return member;
    },
    giveBack(member) {
      // One slow process is enough; what was slowed down cannot be made quick again.
      if (member.isSlow && slow().length > 1) return discard(member);
      if (member.state === "busy") member.state = "idle"; // and not killed at the last moment
      onFree();
    },
    discard,
    slowDown(member) {
      if (busy("slow") > 0) return false;
      member.lane = "slow";
      member.isSlow = true;
      member.process.slowDown();
      onFree();
      return true;
    },
    proven(member) {
      if (member.isProven) return;
      member.isProven = true;
      failures = 0;
      refill();
    },
    get members() {
      return [...members];
    },
    get restarts() {
      return restarts;
    },
    close,
  };
}
