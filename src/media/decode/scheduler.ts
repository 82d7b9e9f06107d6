import type { DecodeTimeoutCause } from "../../domain/decode-timeout.ts";
import type { Format } from "../formats/index.ts";
import { type Operation, type WorkerAnswer, parseAnswer } from "../protocol.ts";
import {
  type WorkBudgets,
  createHeldTime,
  dueAfterMs,
  fitsSlowLane,
  guessMs,
  quickLimitMs,
  readHeadSize,
} from "./cost-estimates.ts";
import { type PictureWithClip, pictureOf, timedOut, unknownPicture } from "./picture.ts";
import { type Lane, type Member, type Pool, lanes } from "./worker-pool.ts";
import { NotAcceptedError } from "./worker-process.ts";

/** One operation on one body. */
export interface DecodeTask {
  readonly operation: Operation;
  readonly body: Uint8Array;
  readonly format: Format;
  /** The lane to start in. */
  readonly lane: Lane;
  /** Whether it only shows that a worker lives. */
  readonly isHealthCheck?: boolean;
}

export interface SchedulerOptions {
  /** Its `onFree` calls {@link Scheduler.assign}. */
  readonly pool: Pool;
  readonly budgets: WorkBudgets;
  /** Time limit of the wait for a worker, and again of the decode. */
  readonly decodeTimeoutMs: number;
  /** Maximum queue length of each lane. */
  readonly maxWaiting: number;
}

/** Queues tasks in two lanes, dispatches them to idle workers, and enforces the time limits. */
export interface Scheduler {
  /** Never rejects. An abort of the signal removes the task from its queue, or ignores the result of its worker. */
  submit(task: DecodeTask, signal?: AbortSignal): Promise<PictureWithClip>;
  /** Dispatches queued tasks to idle workers. */
  assign(): void;
  readonly waiting: number;
  /** Recent mean time that a quick picture keeps its worker; 0 before the first. */
  readonly heldMs: number;
  /** Settles all queued tasks, and every later one at once. Tasks with a worker end when the pool is closed. */
  close(): void;
}

/** A submitted task. */
interface Job extends DecodeTask {
  readonly askedAt: number;
  lane: Lane;
  /** Priority in the lane: the earliest goes first. */
  dueAt: number;
  /** Attempts with a worker that did not accept the job. */
  untaken: number;
  isSettled: boolean;
  /** Resolves the job, once; later calls do nothing. */
  readonly settle: (result: Partial<PictureWithClip>) => void;
}

/** How the exchange with a worker ended. */
interface Exchange {
  /** `invalid`: values out of range. Null: the worker died, or broke the protocol. */
  readonly answer: WorkerAnswer | "invalid" | null;
  readonly clipBytes: Uint8Array;
  /** False if the worker never read the body. */
  readonly isAccepted: boolean;
}

// Retries of an unaccepted job: every worker may have been stopped, or just killed.
const maxUntaken = 4;
// A hostile header may make a healthy worker answer with a value out of range. That costs the one picture, not the
// worker: else a caller could keep all workers restarting with 72-byte files. The trade-off: a compromised worker
// lives on as well. It could do so before, since false answers within the rules are never detected. Three in a row
// replace the worker, whose state may be corrupt.
const maxInvalidInARow = 3;
// Patience before one more worker is started: longer than a small picture or a health check takes, so that a start, which
// takes 0.2 s of CPU time, does not slow down single pictures. The slow lane may have no worker at all.
const growAfterMs: Readonly<Record<Lane, number>> = { quick: 50, slow: 0 };
// Worker recycling: a restart frees the memory that decodes leave behind (fragmentation, libraries' tables). It takes
// 0.2 s and delays no request: after thousands of decodes, or if far more stays than the 300 MB of a good load.
const maxDecodes = 5_000;
const maxRestingBytes = 512 * 1024 ** 2;

export function createScheduler({ pool, budgets, decodeTimeoutMs, maxWaiting }: SchedulerOptions): Scheduler {
  // In order of arrival. A queue for each lane: a thousand slow pictures must not crowd out a quick one.
  const queues: Readonly<Record<Lane, Map<Job, NodeJS.Timeout>>> = { quick: new Map(), slow: new Map() };
  const invalidInARow = new WeakMap<Member, number>();
  const heldTime = createHeldTime();
  const growing = new Map<Lane, NodeJS.Timeout>(); // lanes that may get one more worker
  let isClosed = false;
  let requests = 0;

  function submit(task: DecodeTask, signal?: AbortSignal): Promise<PictureWithClip> {
    const { lane } = task;
    const refusal = refusalOf(lane, signal);
    if (refusal) return Promise.resolve({ ...unknownPicture, ...timedOut(refusal) });
    return new Promise((resolve) => {
      const askedAt = performance.now();
      const cancel = () => settle({ ...timedOut("cancelled"), queueMs: performance.now() - askedAt });
      const settle = (result: Partial<PictureWithClip>) => {
        signal?.removeEventListener("abort", cancel);
        dequeue(job);
        job.isSettled = true;
        // The size in the head is reported even if no worker took the picture, or none finished.
        resolve({ ...unknownPicture, ...(result.warning && readHeadSize(task)), ...result });
      };
      const dueAt = askedAt + dueAfterMs(lane === "slow" ? Infinity : guessMs(task));
      const job: Job = { ...task, askedAt, dueAt, untaken: 0, isSettled: false, settle };
      signal?.addEventListener("abort", cancel, { once: true });
      enqueue(job);
    });
  }

  /** Why a task is not accepted; null if it is. */
  function refusalOf(lane: Lane, signal: AbortSignal | undefined): DecodeTimeoutCause | null {
    if (isClosed) return "closing";
    if (signal?.aborted) return "cancelled";
    return queues[lane].size >= maxWaiting && !pool.isFree(lane) ? "lane_full" : null;
  }

  function enqueue(job: Job): void {
    if (job.isSettled) return;
    const giveUp = () => job.settle({ ...timedOut(causeOfWait(job)), queueMs: performance.now() - job.askedAt });
    queues[job.lane].set(job, setTimeout(giveUp, decodeTimeoutMs));
    assign();
  }

  /** Why the job waited until the time limit. */
  function causeOfWait(job: Job): DecodeTimeoutCause {
    if (job.untaken > 0) return "worker_lost";
    return pool.isReady ? "workers_busy" : "no_worker";
  }

  function enqueueSlow(job: Job, expectedMs: number): void {
    job.lane = "slow";
    job.dueAt = performance.now() + dueAfterMs(expectedMs);
    enqueue(job);
  }

  function dequeue(job: Job): void {
    clearTimeout(queues[job.lane].get(job));
    queues[job.lane].delete(job);
  }

  function assign(): void {
    for (const lane of lanes) {
      const waiting = pool.isFree(lane) ? [...queues[lane].keys()] : [];
      for (const job of waiting.sort((a, b) => a.dueAt - b.dueAt)) {
        const member = job.isHealthCheck ? pool.takeForCheck(lane) : pool.take(lane);
        if (!member) break;
        dequeue(job);
        void run(job, member);
      }
      if (queues[lane].size > 0 && !pool.isFree(lane)) growSoon(lane);
    }
  }

  /** Starts one more worker if work still waits after the patience. */
  function growSoon(lane: Lane): void {
    if (growing.has(lane)) return;
    const grow = () => {
      growing.delete(lane);
      if (queues[lane].size > 0) pool.grow(lane);
    };
    growing.set(lane, setTimeout(grow, growAfterMs[lane]));
  }

  async function run(job: Job, member: Member): Promise<void> {
    const { lane } = job;
    const begunAt = performance.now();
    const queueMs = begunAt - job.askedAt;
    const { answer, clipBytes, isAccepted } = await exchange(job, member, queueMs);
    if (member.state === "leaving") return; // discarded by a timer, which also settled or requeued the job
    if (!answer) {
      pool.discard(member);
      // Retry only a picture that was not accepted: one that crashes its worker would crash two. That holds for
      // SIGKILL too: the kernel's OOM killer sends it because of the picture.
      if (isClosed) return job.settle({ ...timedOut("closing"), queueMs });
      if (isAccepted) return job.settle({ warning: "decode_failed", queueMs });
      if (job.untaken >= maxUntaken) return job.settle({ ...timedOut("worker_lost"), queueMs });
      job.untaken += 1;
      return enqueue(job);
    }
    if (lane === "quick") heldTime.add(performance.now() - begunAt);
    const valid = answer === "invalid" ? null : answer;
    release(job, member, valid);
    if (!valid) return job.settle({ warning: "decode_failed", queueMs });
    if (lane === "quick" && fitsSlowLane(valid, budgets.slow)) return enqueueSlow(job, valid.expectedMs);
    job.settle({ ...pictureOf(valid, clipBytes), queueMs });
  }

  /** Sends the job to the worker and waits for the answer, with the time limits of the lane. Never rejects. */
  async function exchange(job: Job, member: Member, queueMs: number): Promise<Exchange> {
    const { operation, body, format, lane } = job;
    const number = (requests = (requests + 1) % 2 ** 32);
    const request = { number, operation, format, bytes: body.byteLength, allowed: budgets[lane] };
    const timers: NodeJS.Timeout[] = [];
    try {
      const begun = await member.process.ask(request, body);
      timers.push(setTimeout(end, decodeTimeoutMs), setTimeout(demote, quickLimitMs(format)));
      const { line, clip } = await begun.answer;
      return { answer: parseAnswer(line, number), clipBytes: clip, isAccepted: true };
    } catch (error) {
      return { answer: null, clipBytes: new Uint8Array(), isAccepted: !(error instanceof NotAcceptedError) };
    } finally {
      timers.forEach(clearTimeout);
    }

    function end(): void {
      job.settle({ ...timedOut("time_limit"), queueMs, decodeMs: decodeTimeoutMs });
      pool.discard(member);
    }

    /** Moves an overdue picture to the slow lane: in place if that is free, else by a kill and a restart. */
    function demote(): void {
      if (lane === "slow" || pool.slowDown(member)) return;
      pool.discard(member);
      enqueueSlow(job, guessMs(job)); // ahead of the others there: perhaps only the machine was busy
    }
  }

  /** Gives the worker back to the pool, or replaces it if it is worn out or its answers are invalid. */
  function release({ isHealthCheck = false }: Job, member: Member, valid: WorkerAnswer | null): void {
    const invalid = valid ? 0 : (invalidInARow.get(member) ?? 0) + 1;
    invalidInARow.set(member, invalid);
    if (valid) pool.proven(member);
    const isWorn = member.taken >= maxDecodes || (valid?.rssBytes ?? 0) > maxRestingBytes;
    if (isWorn || invalid >= maxInvalidInARow) pool.discard(member);
    else pool.giveBack(member, !isHealthCheck);
  }

  return {
    submit,
    assign,
    get waiting() {
      return queues.quick.size + queues.slow.size;
    },
    get heldMs() {
      return heldTime.meanMs;
    },
    close() {
      isClosed = true;
      for (const timer of growing.values()) clearTimeout(timer);
      for (const job of lanes.flatMap((lane) => [...queues[lane].keys()])) job.settle(timedOut("closing"));
    },
  };
}
