import type { DecoderProcess } from "./worker-process.ts";

/** `leaving`: killed, and not reaped yet. */
export type ProcessState = "starting" | "idle" | "busy" | "leaving";

/**
 * The quick lane and the slow lane of the worker pool, by the estimated work of a picture. Slow pictures run one at a
 * time, in a worker of low priority, so that no number of them can starve the quick lane.
 */
export const lanes = ["quick", "slow"] as const;
export type Lane = (typeof lanes)[number];

/**
 * Workers of the quick lane beyond the number of decodes at once: while a worker receives a body or sends its result, a
 * spare one uses its processor. Without a spare, processors idle a seventh of the time.
 */
export const sparesForDecoders = 1;
/** Workers for slow pictures, beside those of the quick lane. */
export const slowDecoders = 1;

/** A worker process and its state in the pool. */
export interface Member {
  readonly process: DecoderProcess;
  state: ProcessState;
  /** Number of pictures it was taken for. */
  taken: number;
  /** The lane of its current or last picture. */
  lane: Lane;
  /** It has low priority (nice), and so serves the slow lane. */
  isSlow: boolean;
  /** It has answered at least once. */
  isProven: boolean;
}

export interface PoolOptions {
  /** Number of workers in the quick lane; one more is kept for the slow lane. */
  readonly processes: number;
  /** Returns a process even if the start fails: then its `ready` rejects and its `ended` resolves. */
  readonly startProcess: () => DecoderProcess;
  /** Called whenever {@link Pool.take} may succeed again. */
  readonly onFree: () => void;
  /** Called if a replacement cannot start, or ends unused: once for each reason, until a new process has answered. */
  readonly onFailedStart: (reason: string) => void;
}

/** The worker pool: replaces each worker that ends, with a restart backoff if starts fail. */
export interface Pool {
  /** Starts the first process, then the others; resolves or rejects with the `ready` of the first. */
  start(): Promise<string>;
  isFree(lane: Lane): boolean;
  /** Takes an idle worker and marks it busy; undefined if the lane is at its concurrency limit. */
  take(lane: Lane): Member | undefined;
  giveBack(member: Member): void;
  /** Kills the worker; the pool starts its replacement. */
  discard(member: Member): void;
  /** Moves a busy worker to the slow lane; false, without a change, if the slow lane is busy. */
  slowDown(member: Member): boolean;
  /** Ends the restart backoff at the first answer of a new process. An older one proves nothing about new starts. */
  proven(member: Member): void;
  readonly members: readonly Member[];
  /** Whether at least one worker is up, idle or busy. */
  readonly isReady: boolean;
  readonly restarts: number;
  close(): Promise<void>;
}

// Restart backoff after a failed start or a process that ended unused: 0.2 s, 0.4 s, … A start takes 0.2 s of CPU time,
// so that a broken installation uses less than 1 % of a core in the end.
const firstPauseMs = 200;
const longestPauseMs = 30_000;
// If not even the process was created (EMFILE, EAGAIN, ENOMEM), an attempt costs one system call, and the shortage may
// end at any moment.
const longestPauseWithoutProcessMs = 2_000;
// A reason may contain a varying text, such as an address in a crash dump: bounds the memory and the log.
const maxReportedReasons = 10;

export function createPool({ processes, startProcess, onFree, onFailedStart }: PoolOptions): Pool {
  const members = new Set<Member>(); // the longest idle first
  let isClosed = false;
  let restarts = 0;
  let failures = 0; // consecutive failed starts
  let hasStarted = false; // a failure of the very first start rejects `start` instead of being reported
  const reported = new Set<string>(); // reasons of the consecutive failed starts
  let pause: NodeJS.Timeout | undefined;

  const those = (is: (member: Member) => boolean) => [...members].filter(is);
  const busy = (lane: Lane) => those((member) => member.state === "busy" && member.lane === lane).length;
  const slow = () => those(({ isSlow, state }) => isSlow && state !== "leaving");

  /** Finds an idle worker, round robin, so that a hung one is found even under little load. */
  function idle(lane: Lane): Member | undefined {
    const candidates = those(({ state }) => state === "idle");
    const slowOne = candidates.find(({ isSlow }) => isSlow);
    if (lane === "slow") return busy("slow") === 0 ? slowOne : undefined;
    if (busy("quick") >= processes) return undefined;
    // The slow worker stands in while a killed one is being replaced.
    return candidates.find(({ isSlow }) => !isSlow) ?? slowOne;
  }

  function add(): Member {
    const isSlow = members.size > 0 && slow().length === 0;
    const process = startProcess();
    const member: Member = { process, state: "starting", taken: 0, lane: "quick", isSlow, isProven: false };
    if (isSlow) process.slowDown();
    members.add(member);
    const ready = () => {
      hasStarted = true;
      if (member.state === "starting") member.state = "idle";
      refill();
      onFree();
    };
    process.ready.then(ready).catch(() => null); // `ended` follows a failed start too
    void process.ended.then(() => {
      members.delete(member);
      if (isClosed) return;
      restarts += 1;
      if (member.taken === 0) {
        backOff(process.pid === null ? longestPauseWithoutProcessMs : longestPauseMs);
        if (hasStarted) void reportFailedStart(process);
      }
      refill();
    });
    return member;
  }

  async function reportFailedStart({ ready }: DecoderProcess): Promise<void> {
    const reason = await ready.then(
      () => "it ended before its first picture",
      (error: unknown) => (error instanceof Error ? error.message : "unknown"),
    );
    if (isClosed || reported.has(reason) || reported.size >= maxReportedReasons) return;
    reported.add(reason);
    onFailedStart(reason);
  }

  /** Restart backoff: pauses all starts, twice as long each time, until a new worker has answered. */
  function backOff(maxPauseMs: number): void {
    if (pause) return; // simultaneous failures count once
    const pauseMs = Math.min(maxPauseMs, firstPauseMs * 2 ** Math.min(failures, 16));
    failures += 1;
    pause = setTimeout(() => {
      pause = undefined;
      refill();
    }, pauseMs);
  }

  /**
   * Starts the missing processes, all at once. After a failed start one at a time, each when the one before is ready:
   * under a shortage of descriptors or memory, many starts at once would only make it worse.
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
    onFree(); // another worker can take over before this one has exited
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
      // One slow worker is enough, and without privileges a raised niceness cannot be lowered again.
      if (member.isSlow && slow().length > 1) return discard(member);
      if (member.state === "busy") member.state = "idle"; // not if it was killed meanwhile
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
      reported.clear();
      refill();
    },
    get members() {
      return [...members];
    },
    get isReady() {
      return those(({ state }) => state === "idle" || state === "busy").length > 0;
    },
    get restarts() {
      return restarts;
    },
    close,
  };
}
