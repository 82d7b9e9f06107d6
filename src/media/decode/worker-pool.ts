import { createRestartBackoff } from "./restart-backoff.ts";
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
/** A start takes 0.2 s of CPU time, and a worker 20 MB: those that a minute did not need are ended. */
export const workerIdleMs = 60_000;

/** A worker process and its state in the pool. */
export interface Member {
  readonly process: DecoderProcess;
  state: ProcessState;
  /** Number of pictures and health checks it was taken for. */
  taken: number;
  /** When it was last taken, and when it last ended a picture (or started); by `performance.now()`. */
  takenAt: number;
  workedAt: number;
  /** The lane of its current or last picture. */
  lane: Lane;
  /** It has low priority (nice), and so serves the slow lane. */
  isSlow: boolean;
  /** It has answered at least once. */
  isProven: boolean;
  /** It was ended because it had no work: no death. */
  isRetired: boolean;
}

export interface PoolOptions {
  /** Maximum number of workers in the quick lane; the slow lane has at most one more. */
  readonly processes: number;
  /** A worker without a picture for so long is ended, except one of the quick lane. */
  readonly idleMs: number;
  /** Returns a process even if the start fails: then its `ready` rejects and its `ended` resolves. */
  readonly startProcess: () => DecoderProcess;
  /** Called whenever {@link Pool.take} may succeed again. */
  readonly onFree: () => void;
  /** Called if a replacement cannot start, or ends unused: once for each reason, until a new process has answered. */
  readonly onFailedStart: (reason: string) => void;
}

/**
 * The worker pool: starts workers on demand, ends idle ones, and replaces each worker that dies, with a restart backoff
 * if starts fail. One worker of the quick lane is always kept warm.
 */
export interface Pool {
  /** Starts the warm worker; resolves or rejects with its `ready`. */
  start(): Promise<string>;
  isFree(lane: Lane): boolean;
  /** Takes the idle worker that worked last and marks it busy; undefined if there is none, or at the concurrency limit. */
  take(lane: Lane): Member | undefined;
  /** The same for a health check: the worker that was taken longest ago, so that each one is checked in turn. */
  takeForCheck(lane: Lane): Member | undefined;
  /** Starts one more worker for a lane whose work waits, unless one is starting or the lane has all. */
  grow(lane: Lane): void;
  /** @param isWork false after a health check, which keeps no worker from being idle */
  giveBack(member: Member, isWork: boolean): void;
  /** Kills the worker; the pool starts its replacement. */
  discard(member: Member): void;
  /** Moves a busy worker to the slow lane; false, without a change, if the slow lane is busy. */
  slowDown(member: Member): boolean;
  /** Ends the restart backoff at the first answer of a new process. An older one proves nothing about new starts. */
  proven(member: Member): void;
  readonly members: readonly Member[];
  /** Whether at least one worker is up, idle or busy, or the only one is just being replaced. */
  readonly isReady: boolean;
  /** Workers that died, or were killed for their state; not those that were ended because they were idle. */
  readonly restarts: number;
  close(): Promise<void>;
}

// The warm worker: the first picture after a rest does not wait for a start.
const leastWorkers: Readonly<Record<Lane, number>> = { quick: 1, slow: 0 };

export function createPool({ processes, idleMs, startProcess, onFree, onFailedStart }: PoolOptions): Pool {
  const members = new Set<Member>();
  const most: Readonly<Record<Lane, number>> = { quick: processes, slow: slowDecoders };
  const wanted: Record<Lane, number> = { quick: 1, slow: 0 }; // grows with the demand, shrinks when workers are idle
  let retiring: NodeJS.Timeout | undefined;
  let isClosed = false;
  let restarts = 0;
  let hasStarted = false; // a failure of the very first start rejects `start` instead of being reported
  const backoff = createRestartBackoff({ onEnd: refill, onFailedStart });

  const those = (is: (member: Member) => boolean) => [...members].filter(is);
  const busy = (lane: Lane) => those((member) => member.state === "busy" && member.lane === lane).length;
  const slow = () => those(({ isSlow, state }) => isSlow && state !== "leaving");

  const ofLane = (lane: Lane) => those(({ isSlow }) => isSlow === (lane === "slow"));

  /** Lists the idle workers that a lane may take now. */
  function idle(lane: Lane): Member[] {
    if (busy(lane) >= most[lane]) return [];
    const isIdle = ({ state }: Member) => state === "idle";
    // The slow worker stands in while the only quick one is being replaced.
    if (lane === "quick" && !ofLane("quick").some(isUp)) return those(isIdle);
    return ofLane(lane).filter(isIdle);
  }

  function markBusy(member: Member | undefined, lane: Lane): Member | undefined {
    if (!member) return undefined;
    member.state = "busy";
    member.lane = lane;
    member.taken += 1;
    member.takenAt = performance.now();
    return member;
  }

  function add(lane: Lane): Member {
    const process = startProcess();
    const now = performance.now();
    const member: Member = {
      process,
      state: "starting",
      taken: 0,
      takenAt: now,
      workedAt: now,
      lane: "quick",
      isSlow: lane === "slow",
      isProven: false,
      isRetired: false,
    };
    if (member.isSlow) process.slowDown();
    members.add(member);
    const ready = () => {
      hasStarted = true;
      if (member.state === "starting") member.state = "idle";
      member.workedAt = performance.now();
      refill();
      retireIdle();
      onFree();
    };
    process.ready.then(ready).catch(() => null); // `ended` follows a failed start too
    void process.ended.then(() => {
      members.delete(member);
      if (isClosed) return;
      if (!member.isRetired) countDeath(member);
      refill();
    });
    return member;
  }

  function countDeath({ process, taken }: Member): void {
    restarts += 1;
    if (taken === 0) backoff.begin(process, hasStarted);
  }

  /** Returns a lane that has fewer workers than it wants. */
  function missingLane(): Lane | undefined {
    return lanes.find((lane) => ofLane(lane).length < wanted[lane]);
  }

  /**
   * Starts the missing processes, all at once. After a failed start one at a time, each when the one before is ready:
   * under a shortage of descriptors or memory, many starts at once would only make it worse.
   */
  function refill(): void {
    while (!isClosed && !backoff.isPaused && members.size < processes + slowDecoders) {
      if (backoff.isFailing && those(({ state }) => state === "starting").length > 0) return;
      const lane = missingLane();
      if (!lane) return;
      add(lane);
    }
  }

  /** One worker at a time: the demand may be over by the time that it is ready. */
  function grow(lane: Lane): void {
    if (ofLane(lane).some(({ state }) => state === "starting") || ofLane(lane).length < wanted[lane]) return;
    if (wanted[lane] >= most[lane]) return;
    wanted[lane] += 1;
    refill();
  }

  /** Lists the idle workers of the lanes that can do with one less, the longest idle first. */
  function spareWorkers(): Member[] {
    const lanesWithSpare = lanes.filter((lane) => ofLane(lane).filter(isUp).length > leastWorkers[lane]);
    const idleOnes = lanesWithSpare.flatMap(ofLane).filter(({ state }) => state === "idle");
    return idleOnes.sort((one, other) => one.workedAt - other.workedAt);
  }

  /** Ends the longest idle worker once it is due, then waits for the next one. */
  function retireIdle(): void {
    clearTimeout(retiring);
    const [first] = spareWorkers();
    if (!first || isClosed) return;
    const dueMs = first.workedAt + idleMs - performance.now();
    if (dueMs > 0) {
      retiring = setTimeout(retireIdle, Math.ceil(dueMs)).unref();
      return;
    }
    const lane = first.isSlow ? "slow" : "quick";
    wanted[lane] = Math.max(leastWorkers[lane], wanted[lane] - 1);
    first.isRetired = true;
    first.state = "leaving";
    first.process.kill();
    retireIdle();
  }

  function discard(member: Member): void {
    member.state = "leaving";
    member.process.kill();
    onFree(); // another worker can take over before this one has exited
  }

  async function close(): Promise<void> {
    isClosed = true;
    backoff.close();
    clearTimeout(retiring);
    for (const { process } of members) process.kill();
    await Promise.all([...members].map(({ process }) => process.ended));
  }

  return {
    // Async, so that an exception of `startProcess` is a rejection here.
    start: async () => add("quick").process.ready,
    isFree: (lane) => idle(lane).length > 0,
    take: (lane) =>
      markBusy(
        latestOf(idle(lane), ({ workedAt }) => workedAt),
        lane,
      ),
    takeForCheck: (lane) =>
      markBusy(
        latestOf(idle(lane), ({ takenAt }) => -takenAt),
        lane,
      ),
    grow,
    giveBack(member, isWork) {
      if (isWork) member.workedAt = performance.now();
      // One slow worker is enough, and without privileges a raised niceness cannot be lowered again.
      if (member.isSlow && slow().length > 1) return discard(member);
      if (member.state === "busy") member.state = "idle"; // not if it was killed meanwhile
      retireIdle();
      onFree();
    },
    discard,
    slowDown(member) {
      if (busy("slow") > 0) return false;
      wanted.slow = slowDecoders;
      member.lane = "slow";
      member.isSlow = true;
      member.process.slowDown();
      refill(); // the quick lane has one worker less
      onFree();
      return true;
    },
    proven(member) {
      if (member.isProven) return;
      member.isProven = true;
      backoff.prove();
      refill();
    },
    get members() {
      return [...members];
    },
    get isReady() {
      const isComing = hasStarted && !backoff.isFailing;
      return those((member) => isUp(member) || (isComing && member.state === "starting")).length > 0;
    },
    get restarts() {
      return restarts;
    },
    close,
  };
}

function isUp({ state }: Member): boolean {
  return state === "idle" || state === "busy";
}

/** Returns the item with the greatest rank. */
function latestOf(members: readonly Member[], rank: (member: Member) => number): Member | undefined {
  return members.toSorted((one, other) => rank(other) - rank(one))[0];
}
