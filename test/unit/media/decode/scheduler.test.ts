import { getEventListeners } from "node:events";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import type { DecodeTimeoutCause } from "../../../../src/domain/decode-timeout.ts";
import type { WorkBudgets } from "../../../../src/media/decode/cost-estimates.ts";
import type { PictureWithClip } from "../../../../src/media/decode/picture.ts";
import { type DecodeTask, createScheduler } from "../../../../src/media/decode/scheduler.ts";
import { createPool } from "../../../../src/media/decode/worker-pool.ts";
import { type DecoderProcess, type Message, NotAcceptedError } from "../../../../src/media/decode/worker-process.ts";
import type { Request, WorkerAnswer } from "../../../../src/media/protocol.ts";
import { zeroPng } from "../../../support/bombs.ts";
import { formatNamed } from "../../../support/decoder.ts";

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

const settle = () => vi.advanceTimersByTimeAsync(0);
const mebibyte = 1024 ** 2;
const decodeTimeoutMs = 10_000;
const budgets: WorkBudgets = {
  quick: { bytes: 100, milliseconds: 70 },
  slow: { bytes: 1000, milliseconds: Infinity },
};

const good: Omit<WorkerAnswer, "number"> = {
  ...{ width: 5, height: 4, animated: false, durationMs: null, blurhash: null, thumbhash: null, thumbnail: null },
  ...{ warning: null, expectedBytes: 1, expectedMs: 1, decodeMs: 2, hashMs: 3, clipBytes: 0, container: "mov" },
  ...{ rotation: 0, rssBytes: 1 },
};
const tooLarge = { warning: "too_many_pixels", expectedBytes: 1000 } as const;
const timedOut = (cause: DecodeTimeoutCause) => ({ warning: "decode_timeout", decodeTimeoutCause: cause });

/** A worker whose process the test plays. */
interface Worker {
  readonly requests: Request[];
  isSlow: boolean;
  isKilled: boolean;
  readonly process: DecoderProcess;
  makeReady(): void;
  accept(): void;
  /** Answers the last request, and accepts it if that is still to be done. */
  answer(change?: object, clip?: Uint8Array): Promise<void>;
  die(): Promise<void>;
}

function createWorker(): Worker {
  let makeReady!: (version: string) => void;
  let end!: () => void;
  let begin: { accept: (begun: { answer: Promise<Message> }) => void; refuse: (error: Error) => void } | null = null;
  let open: { answer: (message: Message) => void; fail: (error: Error) => void } | null = null;
  const ready = new Promise<string>((resolve) => (makeReady = resolve));
  const ended = new Promise<void>((resolve) => (end = resolve));
  const worker: Worker = {
    requests: [],
    isSlow: false,
    isKilled: false,
    makeReady: () => makeReady("8"),
    accept() {
      const answer = new Promise<Message>((resolve, reject) => (open = { answer: resolve, fail: reject }));
      answer.catch(() => undefined);
      begin!.accept({ answer });
      begin = null;
    },
    async answer(change = {}, clip = new Uint8Array()) {
      if (begin) worker.accept();
      await settle();
      open!.answer({ line: JSON.stringify({ ...good, number: worker.requests.at(-1)!.number, ...change }), clip });
      await settle();
    },
    async die() {
      worker.isKilled = true;
      begin?.refuse(new NotAcceptedError("it ended"));
      open?.fail(new Error("it ended"));
      begin = open = null;
      end();
      await settle();
    },
    process: {
      pid: 1,
      ready,
      ended,
      ask(request) {
        worker.requests.push(request);
        return new Promise((accept, refuse) => (begin = { accept, refuse }));
      },
      slowDown: () => void (worker.isSlow = true),
      kill: () => void worker.die(),
    },
  };
  return worker;
}

/** A scheduler with a real pool, of which the first worker is ready. */
async function start({ processes = 1, maxWaiting = 2, onStart = (worker: Worker) => worker.makeReady() } = {}) {
  const workers: Worker[] = [];
  const pool = createPool({
    processes,
    idleMs: 60_000,
    startProcess() {
      const worker = createWorker();
      workers.push(worker);
      onStart(worker);
      return worker.process;
    },
    onFree: () => scheduler.assign(),
    onFailedStart: () => undefined,
  });
  const scheduler = createScheduler({ pool, budgets, decodeTimeoutMs, maxWaiting });
  void pool.start().catch(() => undefined);
  await vi.advanceTimersByTimeAsync(1000);
  return { pool, workers, scheduler };
}

const png = formatNamed("png");
const head = (side: number) => zeroPng(side, { colour: 2, depth: 8, isInterlaced: false }).subarray(0, 64);
const task = (side = 100, change: Partial<DecodeTask> = {}): DecodeTask => ({
  operation: "describe",
  body: head(side),
  format: png,
  lane: "quick",
  ...change,
});
const slowTask = (side = 100) => task(side, { lane: "slow" });

/** Records whether a promise has been resolved, and with what. */
function watch(picture: Promise<PictureWithClip>): { result: PictureWithClip | null } {
  const watched: { result: PictureWithClip | null } = { result: null };
  void picture.then((result) => (watched.result = result));
  return watched;
}

describe("a task with a worker", () => {
  test("a task is sent with the next number, its length and the budget of its lane", async () => {
    const { workers, scheduler } = await start();
    void scheduler.submit(task());
    await workers[0]!.answer();
    void scheduler.submit(task(100, { operation: "measure", body: new Uint8Array(9) }));
    await workers[0]!.answer();
    void scheduler.submit(slowTask());
    await vi.advanceTimersByTimeAsync(1);
    expect(workers.map(({ requests }) => requests)).toEqual([
      [
        { number: 1, operation: "describe", format: png, bytes: 64, allowed: budgets.quick },
        { number: 2, operation: "measure", format: png, bytes: 9, allowed: budgets.quick },
      ],
      [{ number: 3, operation: "describe", format: png, bytes: 64, allowed: budgets.slow }],
    ]);
  });

  test("the answer of a worker is the result, with its clip and the time in the queue", async () => {
    const { workers, scheduler } = await start();
    const first = scheduler.submit(task());
    const second = scheduler.submit(task());
    await vi.advanceTimersByTimeAsync(30);
    await workers[0]!.answer();
    const clip = Uint8Array.of(1, 2, 3);
    await workers[0]!.answer({ clipBytes: 3, container: "ogg", rotation: 90, durationMs: 7 }, clip);
    const nothing = { animated: false, blurhash: null, thumbhash: null, thumbnail: null, warning: null };
    const times = { decodeTimeoutCause: null, decodeMs: 2, hashMs: 3 };
    const size = { width: 5, height: 4 };
    expect(await first).toEqual({ ...nothing, ...times, ...size, durationMs: null, queueMs: 0, clip: null });
    const withClip = { durationMs: 7, queueMs: 30, clip: { bytes: clip, container: "ogg", rotation: 90 } };
    expect(await second).toEqual({ ...nothing, ...times, ...size, ...withClip });
  });

  test("a task leaves no timer and no listener behind", async () => {
    const { workers, scheduler } = await start();
    const { signal } = new AbortController();
    const pictures = [scheduler.submit(task(), signal), scheduler.submit(task(), signal)];
    expect(getEventListeners(signal, "abort")).toHaveLength(2);
    await workers[0]!.answer();
    await workers[0]!.answer();
    await Promise.all(pictures);
    expect(getEventListeners(signal, "abort")).toEqual([]);
    await vi.advanceTimersByTimeAsync(50);
    expect(vi.getTimerCount()).toBe(0);
  });

  test("a picture without a size is reported with the size in its head only if it has a warning", async () => {
    const { workers, scheduler } = await start();
    const [plain, failed] = [scheduler.submit(task()), scheduler.submit(task())];
    await workers[0]!.answer({ width: null, height: null });
    workers[0]!.accept();
    await workers[0]!.die();
    expect(await plain).toMatchObject({ width: null, height: null });
    expect(await failed).toMatchObject({ width: 100, height: 100, warning: "decode_failed", queueMs: 0 });
  });

  test("a picture whose worker dies after it accepted it is not tried again", async () => {
    const { workers, scheduler, pool } = await start();
    const picture = scheduler.submit(task());
    workers[0]!.accept();
    await workers[0]!.die();
    expect(await picture).toMatchObject({ warning: "decode_failed", decodeTimeoutCause: null });
    expect(workers.map(({ requests }) => requests.length)).toEqual([1, 0]);
    expect(pool.restarts).toBe(1);
  });

  test("a picture that five workers did not accept is given up", async () => {
    const { workers, scheduler } = await start();
    const picture = watch(scheduler.submit(task()));
    for (let count = 0; count < 4; count += 1) await workers.at(-1)!.die();
    expect(picture.result).toBeNull();
    await workers.at(-1)!.die();
    expect(picture.result).toMatchObject({ width: 100, ...timedOut("worker_lost"), queueMs: 0 });
    expect(workers.map(({ requests }) => requests.length)).toEqual([1, 1, 1, 1, 1, 0]);
  });

  test("a picture that a second worker accepts is described", async () => {
    const { workers, scheduler } = await start();
    const picture = scheduler.submit(task());
    await workers[0]!.die();
    await workers[1]!.answer();
    expect(await picture).toMatchObject({ width: 5, warning: null });
  });

  test("a picture that was not accepted and then waits to the time limit has lost its worker", async () => {
    let isUp = true;
    const { workers, scheduler } = await start({ onStart: (worker) => isUp && worker.makeReady() });
    isUp = false;
    const picture = watch(scheduler.submit(task()));
    await workers[0]!.die();
    await vi.advanceTimersByTimeAsync(decodeTimeoutMs);
    expect(picture.result).toMatchObject({ ...timedOut("worker_lost"), queueMs: decodeTimeoutMs });
  });
});

describe("time limits", () => {
  test("a task that waits for a busy worker is given up at the time limit", async () => {
    const { workers, scheduler } = await start();
    void scheduler.submit(slowTask());
    await vi.advanceTimersByTimeAsync(1);
    expect(workers[1]!.isSlow).toBe(true);
    const waiting = watch(scheduler.submit(slowTask()));
    await vi.advanceTimersByTimeAsync(decodeTimeoutMs - 1);
    expect([waiting.result, scheduler.waiting]).toEqual([null, 1]);
    await vi.advanceTimersByTimeAsync(1);
    expect(waiting.result).toMatchObject({ width: 100, ...timedOut("workers_busy"), queueMs: decodeTimeoutMs });
    expect(scheduler.waiting).toBe(0);
  });

  test("a task that waits while no worker is up is given up with that cause", async () => {
    const { scheduler } = await start({ onStart: () => undefined });
    const waiting = watch(scheduler.submit(task()));
    await vi.advanceTimersByTimeAsync(decodeTimeoutMs);
    expect(waiting.result).toMatchObject(timedOut("no_worker"));
  });

  test("a decode is ended at the time limit, which begins when the worker accepts it", async () => {
    const { workers, scheduler } = await start();
    void scheduler.submit(slowTask());
    await vi.advanceTimersByTimeAsync(1);
    const slow = workers[1]!;
    await slow.answer();
    const picture = watch(scheduler.submit(slowTask()));
    await vi.advanceTimersByTimeAsync(500);
    slow.accept();
    await vi.advanceTimersByTimeAsync(decodeTimeoutMs - 1);
    expect([picture.result, slow.isKilled]).toEqual([null, false]);
    await vi.advanceTimersByTimeAsync(1);
    expect(picture.result).toMatchObject({ ...timedOut("time_limit"), queueMs: 0, decodeMs: decodeTimeoutMs });
    expect(slow.isKilled).toBe(true);
  });

  test("a quick picture that takes more than 300 ms continues in the slow lane, at a lower priority", async () => {
    const { workers, scheduler } = await start();
    const picture = watch(scheduler.submit(task()));
    workers[0]!.accept();
    await vi.advanceTimersByTimeAsync(299);
    expect([workers[0]!.isSlow, workers.length]).toEqual([false, 1]);
    await vi.advanceTimersByTimeAsync(1);
    expect([workers[0]!.isSlow, workers.length]).toEqual([true, 2]);
    const other = watch(scheduler.submit(task()));
    await workers[1]!.answer();
    expect(other.result).toMatchObject({ width: 5 });
    await workers[0]!.answer();
    expect(picture.result).toMatchObject({ width: 5, warning: null });
  });

  test("a quick picture that takes too long while the slow lane is busy begins again there, in its turn", async () => {
    const { workers, scheduler } = await start({ processes: 2 });
    void scheduler.submit(slowTask());
    await vi.advanceTimersByTimeAsync(1);
    const slow = workers[1]!;
    slow.accept();
    const behind = watch(scheduler.submit(slowTask()));
    const picture = watch(scheduler.submit(task()));
    workers[0]!.accept();
    await vi.advanceTimersByTimeAsync(300);
    expect([workers[0]!.isKilled, picture.result, scheduler.waiting]).toEqual([true, null, 2]);
    await slow.answer();
    expect(slow.requests).toHaveLength(2);
    await slow.answer(); // the shorter one, although it came later
    expect(picture.result).toMatchObject({ width: 5, queueMs: 300 });
    expect(behind.result).toBeNull();
  });

  test("a slow picture is not moved", async () => {
    const { workers, scheduler } = await start();
    void scheduler.submit(slowTask());
    await vi.advanceTimersByTimeAsync(1);
    workers[1]!.accept();
    await vi.advanceTimersByTimeAsync(5000);
    expect([workers.length, workers[1]!.isKilled, scheduler.waiting]).toEqual([2, false, 0]);
  });

  test("the time limits of a picture end with its answer", async () => {
    const { workers, scheduler } = await start();
    void scheduler.submit(task());
    await workers[0]!.answer();
    await vi.advanceTimersByTimeAsync(2 * decodeTimeoutMs);
    expect([workers.length, workers[0]!.isKilled, workers[0]!.isSlow]).toEqual([1, false, false]);
  });
});

describe("the slow lane", () => {
  test("a picture beyond the quick budget that fits the slow one is decoded there", async () => {
    const { workers, scheduler } = await start();
    const picture = watch(scheduler.submit(task()));
    await workers[0]!.answer(tooLarge);
    expect(picture.result).toBeNull();
    expect(workers[1]!.requests).toMatchObject([{ number: 2, allowed: budgets.slow }]);
    await workers[1]!.answer();
    expect(picture.result).toMatchObject({ width: 5, warning: null });
  });

  test("a picture beyond both budgets, or beyond that of the slow lane, is only measured", async () => {
    const { workers, scheduler } = await start();
    const picture = watch(scheduler.submit(task()));
    await workers[0]!.answer({ ...tooLarge, expectedBytes: 1001 });
    expect(picture.result).toMatchObject({ width: 5, height: 4, warning: "too_many_pixels" });
    const slow = watch(scheduler.submit(slowTask()));
    await vi.advanceTimersByTimeAsync(1);
    await workers[1]!.answer(tooLarge);
    expect(slow.result).toMatchObject({ warning: "too_many_pixels" });
  });

  test("a picture that moved to the slow lane is due by its estimated time", async () => {
    const { workers, scheduler } = await start();
    void scheduler.submit(slowTask());
    await vi.advanceTimersByTimeAsync(1);
    const [quick, slow] = workers as [Worker, Worker];
    void scheduler.submit(slowTask()); // due 5 s after its arrival
    for (const [bytes, expectedMs] of [[1, 400], [2, 300]] as const) {
      void scheduler.submit(task(100, { body: new Uint8Array(bytes) }));
      await quick.answer({ ...tooLarge, expectedMs });
    } // prettier-ignore
    for (let count = 0; count < 4; count += 1) await slow.answer();
    expect(slow.requests.map(({ bytes }) => bytes)).toEqual([64, 2, 1, 64]);
  });
});

describe("the queue", () => {
  test("shorter work goes first, and of equal work the one that came first", async () => {
    const { workers, scheduler } = await start({ maxWaiting: 9 });
    const sizes = [1, 900, 30, 500, 900, 30];
    const bodies = sizes.map((side, index) => Buffer.concat([head(side), Buffer.alloc(index)]));
    for (const body of bodies) void scheduler.submit(task(1, { body }));
    for (let count = 0; count < 6; count += 1) await workers[0]!.answer();
    expect(workers[0]!.requests.map(({ bytes }) => bytes - 64)).toEqual([0, 2, 5, 3, 1, 4]);
  });

  test("long work that has waited goes before short work that has just come", async () => {
    const { workers, scheduler } = await start();
    void scheduler.submit(task());
    void scheduler.submit(task(1000, { body: head(1000) })); // 15 ms: due after 150 ms
    await vi.advanceTimersByTimeAsync(151);
    void scheduler.submit(task(1, { body: new Uint8Array([...head(1), 0]) }));
    await workers[0]!.answer();
    expect(workers[0]!.requests.at(-1)).toMatchObject({ bytes: 64 });
  });

  test("a task is refused at once if as many wait as may", async () => {
    const { scheduler } = await start({ maxWaiting: 2 });
    for (let count = 0; count < 3; count += 1) void scheduler.submit(task());
    expect(scheduler.waiting).toBe(2);
    const refused = { width: null, ...timedOut("lane_full"), queueMs: 0 };
    expect(await scheduler.submit(task())).toMatchObject(refused);
    expect(scheduler.waiting).toBe(2);
    void scheduler.submit(slowTask()); // the other lane has a queue of its own
    expect(scheduler.waiting).toBe(3);
  });

  test("a task goes to an idle worker although none may wait", async () => {
    const { workers, scheduler } = await start({ maxWaiting: 0 });
    const picture = scheduler.submit(task());
    await workers[0]!.answer();
    expect(await picture).toMatchObject({ width: 5 });
  });

  test("one more worker starts whenever work has waited for 50 ms, and at once in the slow lane", async () => {
    const { workers, scheduler } = await start({ processes: 3, maxWaiting: 9 });
    for (let count = 0; count < 4; count += 1) void scheduler.submit(task());
    await vi.advanceTimersByTimeAsync(49);
    expect(workers).toHaveLength(1);
    await vi.advanceTimersByTimeAsync(1);
    expect(workers).toHaveLength(2);
    expect(workers[1]!.requests).toHaveLength(1);
    await vi.advanceTimersByTimeAsync(50);
    expect(workers).toHaveLength(3); // for the work that still waits, without another request
    void scheduler.submit(slowTask());
    expect(workers).toHaveLength(3);
    await settle();
    expect(workers).toHaveLength(4);
  });

  test("no worker starts if the work was done within 50 ms", async () => {
    const { workers, scheduler } = await start({ processes: 3 });
    void scheduler.submit(task());
    void scheduler.submit(task());
    await vi.advanceTimersByTimeAsync(40);
    await workers[0]!.answer();
    await vi.advanceTimersByTimeAsync(100);
    expect(workers).toHaveLength(1);
  });

  test("the mean time of a quick picture counts from its worker's start, without the slow lane", async () => {
    const { workers, scheduler } = await start();
    expect(scheduler.heldMs).toBe(0);
    void scheduler.submit(task());
    void scheduler.submit(task());
    await vi.advanceTimersByTimeAsync(100);
    await workers[0]!.answer();
    expect(scheduler.heldMs).toBeCloseTo(10);
    await workers[0]!.answer();
    expect(scheduler.heldMs).toBeCloseTo(9);
    void scheduler.submit(slowTask());
    await vi.advanceTimersByTimeAsync(1000);
    await workers.at(-1)!.answer();
    expect(scheduler.heldMs).toBeCloseTo(9);
  });
});

describe("a caller that aborts", () => {
  test("a task of an aborted signal is not accepted", async () => {
    const { workers, scheduler } = await start();
    const picture = await scheduler.submit(task(), AbortSignal.abort());
    expect(picture).toMatchObject({ width: null, ...timedOut("cancelled"), queueMs: 0 });
    expect(workers[0]!.requests).toEqual([]);
  });

  test("an aborted task leaves the queue, and its place to others", async () => {
    const { workers, scheduler } = await start();
    const caller = new AbortController();
    void scheduler.submit(task());
    const aborted = scheduler.submit(task(), caller.signal);
    const other = scheduler.submit(task());
    await vi.advanceTimersByTimeAsync(20);
    caller.abort();
    expect(await aborted).toMatchObject({ width: 100, ...timedOut("cancelled"), queueMs: 20 });
    expect(scheduler.waiting).toBe(1);
    await workers[0]!.answer();
    await workers[0]!.answer();
    expect(await other).toMatchObject({ width: 5 });
    expect(workers[0]!.requests).toHaveLength(2);
  });

  test("a task that is aborted during its decode does not start again in the slow lane", async () => {
    const { workers, scheduler } = await start({ processes: 2 });
    const caller = new AbortController();
    void scheduler.submit(slowTask());
    await vi.advanceTimersByTimeAsync(1);
    workers[1]!.accept();
    const overdue = scheduler.submit(task(), caller.signal);
    workers[0]!.accept();
    caller.abort();
    expect(await overdue).toMatchObject(timedOut("cancelled"));
    await vi.advanceTimersByTimeAsync(300);
    expect([workers[0]!.isKilled, scheduler.waiting]).toEqual([true, 0]);
  });
});

describe("the workers", () => {
  test("a worker is replaced after three invalid answers in a row, each of which costs its picture", async () => {
    const { workers, scheduler } = await start();
    for (const change of [{ width: 0 }, { width: 0 }, {}, { width: 0 }, { width: 0 }]) {
      const picture = watch(scheduler.submit(task()));
      await workers[0]!.answer(change);
      expect(picture.result).toMatchObject("width" in change ? { width: 100, warning: "decode_failed" } : { width: 5 });
    }
    expect(workers[0]!.isKilled).toBe(false);
    void scheduler.submit(task());
    await workers[0]!.answer({ width: 0 });
    expect([workers[0]!.isKilled, workers.length]).toEqual([true, 2]);
  });

  test("a worker that answers another request is replaced, and its picture has failed", async () => {
    const { workers, scheduler } = await start();
    const picture = scheduler.submit(task());
    await workers[0]!.answer({ number: 99 });
    expect(await picture).toMatchObject({ warning: "decode_failed", queueMs: 0 });
    expect(workers[0]!.isKilled).toBe(true);
  });

  test.each([
    [512 * mebibyte, false],
    [512 * mebibyte + 1, true],
  ])("a worker that keeps %i bytes of memory is replaced: %s", async (rssBytes, isReplaced) => {
    const { workers, scheduler } = await start();
    const picture = scheduler.submit(task());
    await workers[0]!.answer({ rssBytes });
    expect(await picture).toMatchObject({ width: 5 });
    expect([workers[0]!.isKilled, workers.length]).toEqual([isReplaced, isReplaced ? 2 : 1]);
  });

  test("a worker is replaced after 5000 pictures", async () => {
    const { workers, scheduler, pool } = await start();
    pool.members[0]!.taken = 4998;
    void scheduler.submit(task());
    await workers[0]!.answer();
    expect(workers[0]!.isKilled).toBe(false);
    void scheduler.submit(task());
    await workers[0]!.answer();
    expect([workers[0]!.isKilled, workers.length]).toEqual([true, 2]);
  });

  test("a health check goes to the worker that was taken longest ago, and does not keep it from ending", async () => {
    const { workers, scheduler, pool } = await start({ processes: 2 });
    const check = (): DecodeTask => ({ ...task(), operation: "measure", body: new Uint8Array(), isHealthCheck: true });
    void scheduler.submit(task());
    void scheduler.submit(task());
    await vi.advanceTimersByTimeAsync(50);
    await workers[0]!.answer();
    await vi.advanceTimersByTimeAsync(10);
    await workers[1]!.answer(); // the last that worked
    await vi.advanceTimersByTimeAsync(30_000);
    for (const worker of [workers[0]!, workers[1]!]) {
      void scheduler.submit(check());
      await worker.answer();
      await vi.advanceTimersByTimeAsync(10);
    }
    expect(workers.map(({ requests }) => requests.length)).toEqual([2, 2]);
    await vi.advanceTimersByTimeAsync(30_000);
    expect(pool.members.map(({ process }) => process)).toEqual([workers[1]!.process]);
  });
});

describe("the pool", () => {
  test("the worker that worked last stays when the others end", async () => {
    const { workers, scheduler, pool } = await start({ processes: 2 });
    void scheduler.submit(task());
    void scheduler.submit(task());
    await vi.advanceTimersByTimeAsync(50);
    for (const worker of [...workers]) await worker.answer();
    await vi.advanceTimersByTimeAsync(30_000);
    void scheduler.submit(task()); // for the second, which worked last
    void scheduler.submit(task());
    await workers[1]!.answer();
    await vi.advanceTimersByTimeAsync(10);
    await workers[0]!.answer();
    await vi.advanceTimersByTimeAsync(60_000);
    expect(pool.members.map(({ process }) => process)).toEqual([workers[0]!.process]);
  });

  test("a valid answer of a new worker ends the restart backoff, an invalid one does not", async () => {
    for (const [answer, pauseMs] of [[{}, 200], [{ width: 0 }, 400]] as const) {
      const { workers, scheduler } = await start();
      const useLast = async () => {
        void scheduler.submit(task());
        await workers.at(-1)!.answer(answer);
        await workers.at(-1)!.die();
      };
      await useLast();
      await workers.at(-1)!.die(); // unused
      await vi.advanceTimersByTimeAsync(200);
      await useLast();
      await workers.at(-1)!.die(); // unused
      const count = workers.length;
      await vi.advanceTimersByTimeAsync(pauseMs - 1);
      expect(workers).toHaveLength(count);
      await vi.advanceTimersByTimeAsync(1);
      expect(workers).toHaveLength(count + 1);
    }
  }); // prettier-ignore
});

describe("the end", () => {
  test("closing settles all queued tasks, and each later one at once", async () => {
    const { workers, scheduler } = await start();
    const active = watch(scheduler.submit(task()));
    const queued = [scheduler.submit(task()), scheduler.submit(slowTask())];
    scheduler.close();
    const closing = { width: 100, ...timedOut("closing") };
    expect(await Promise.all(queued)).toMatchObject([closing, closing]);
    expect(scheduler.waiting).toBe(0);
    expect(await scheduler.submit(task())).toMatchObject({ width: null, ...timedOut("closing") });
    expect(active.result).toBeNull();
    await workers[0]!.die();
    expect(active.result).toMatchObject({ ...timedOut("closing"), queueMs: 0 });
    expect(vi.getTimerCount()).toBe(0);
  });
});
