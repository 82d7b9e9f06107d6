import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { createPool, workerIdleMs } from "../../../../src/media/decode/worker-pool.ts";
import type { DecoderProcess } from "../../../../src/media/decode/worker-process.ts";

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

/** `Promise.withResolvers`, which Node 20 lacks. */
function withResolvers<T>() {
  let resolve!: (value: T) => void;
  let reject!: (error: Error) => void;
  const promise = new Promise<T>((...both) => ([resolve, reject] = both));
  return { promise, resolve, reject };
}

/** A fake process that the test makes ready, or ends. */
function fakeProcess(pid: number | null) {
  const [ready, ended] = [withResolvers<string>(), withResolvers<undefined>()];
  const process: DecoderProcess = {
    pid,
    ready: ready.promise,
    ended: ended.promise,
    ask: () => Promise.reject(new Error("not asked here")),
    slowDown: () => undefined,
    kill: () => end(),
  };
  function end() {
    ready.reject(new Error("it ended"));
    ended.resolve(undefined);
  }
  return { process, makeReady: () => ready.resolve("8.18.0"), end };
}

type Fake = ReturnType<typeof fakeProcess>;

const idleMs = 60_000;

/** A worker pool of at most 5 + 1 processes by default; `next` decides the outcome of each start. */
function startPool(processes = 5, onFree: () => void = () => undefined) {
  const started: Fake[] = [];
  const reasons: string[] = [];
  let next = (fake: Fake) => fake.makeReady();
  let pid: number | null = 1;
  const pool = createPool({
    processes,
    idleMs: workerIdleMs,
    startProcess() {
      const fake = fakeProcess(pid);
      started.push(fake);
      next(fake);
      return fake.process;
    },
    onFree: () => onFree(),
    onFailedStart: (reason) => reasons.push(reason),
  });
  return {
    pool,
    started,
    reasons,
    failWithoutProcess: () => {
      pid = null;
      next = (fake) => fake.end();
    },
    failAfterStart: () => {
      pid = 1;
      next = (fake) => fake.end();
    },
    failAfterReady: () => {
      pid = 1;
      next = (fake) => {
        fake.makeReady();
        fake.end();
      };
    },
    delay: () => {
      next = () => undefined;
    },
    succeed: () => {
      pid = 1;
      next = (fake) => fake.makeReady();
    },
  };
}

const settle = () => vi.advanceTimersByTimeAsync(0);

type Pool = ReturnType<typeof createPool>;

/** Starts a pool with a worker for each lane, and takes the quick one, while the slow one is idle. */
async function startBothLanes(pool: Pool) {
  await pool.start();
  pool.grow("slow");
  await settle();
  return pool.take("quick")!;
}

/** Starts all workers that the demand can start. */
async function growFully(pool: Pool): Promise<void> {
  for (let count = 0; count < 5; count += 1) {
    pool.grow("quick");
    pool.grow("slow");
    await settle();
  }
}

async function startFullPool() {
  const starting = startPool();
  await starting.pool.start();
  await growFully(starting.pool);
  expect(starting.pool.members).toHaveLength(6);
  starting.started.length = 0;
  return starting;
}

/** Ends all members at once, each after a first answer. */
async function endAll(pool: Pool): Promise<void> {
  for (const member of pool.members) {
    member.taken += 1;
    member.process.kill();
  }
  await settle();
}

test("a worker pool without descriptors tries one start at a time, every 2 s, and refills afterwards", async () => {
  const { pool, started, failWithoutProcess, succeed } = await startFullPool();
  failWithoutProcess();
  await endAll(pool);
  expect(started.length).toBeLessThanOrEqual(6);
  started.length = 0;
  await vi.advanceTimersByTimeAsync(60_000);
  expect(started.length).toBeGreaterThan(25);
  expect(started.length).toBeLessThan(40);
  expect(pool.members).toEqual([]);
  succeed();
  await vi.advanceTimersByTimeAsync(2_000);
  expect(pool.members).toHaveLength(6);
  expect(pool.members.every(({ state }) => state === "idle")).toBe(true);
});

test("a worker pool whose processes die at once starts them every 30 s in the end", async () => {
  const { pool, started, failAfterStart } = await startFullPool();
  failAfterStart();
  await endAll(pool);
  await vi.advanceTimersByTimeAsync(120_000);
  started.length = 0;
  await vi.advanceTimersByTimeAsync(300_000);
  expect(started.length).toBe(10);
});

test("an answer of an old process does not end the restart backoff of new ones", async () => {
  const { pool, started, failAfterStart } = await startFullPool();
  const [old, other] = pool.members;
  pool.proven(old!);
  failAfterStart();
  other!.taken = 1;
  other!.process.kill();
  await settle();
  const answers = setInterval(() => pool.proven(old!), 50);
  await vi.advanceTimersByTimeAsync(60_000);
  clearInterval(answers);
  expect(started.length).toBeLessThan(12); // 0, 0.2, 0.6, … s
});

test("a new process's first answer ends the restart backoff: the next one that dies is replaced after 0.2 s", async () => {
  const { pool, started, failAfterStart, succeed } = await startFullPool();
  failAfterStart();
  await endAll(pool);
  await vi.advanceTimersByTimeAsync(60_000);
  succeed();
  await vi.advanceTimersByTimeAsync(30_000);
  expect(pool.members).toHaveLength(6);
  const [first, second] = pool.members;
  pool.proven(first!);
  started.length = 0;
  second!.process.kill(); // it never answered
  await settle();
  expect(started).toHaveLength(0);
  await vi.advanceTimersByTimeAsync(200);
  expect(started).toHaveLength(1);
});

test("workers that have answered are replaced at once, all together", async () => {
  const { pool, started } = await startFullPool();
  await endAll(pool);
  expect(started).toHaveLength(6);
  expect(pool.members).toHaveLength(6);
});

test("a worker pool that is closed during its restart backoff starts no more processes", async () => {
  const { pool, started, failWithoutProcess } = await startFullPool();
  failWithoutProcess();
  await endAll(pool);
  started.length = 0;
  await pool.close();
  expect(vi.getTimerCount()).toBe(0);
  await vi.advanceTimersByTimeAsync(60_000);
  expect(started).toEqual([]);
});

test("the reason of a failed start is reported once until a new process has answered, not at each attempt", async () => {
  const { pool, reasons, failWithoutProcess, succeed } = await startFullPool();
  failWithoutProcess();
  await endAll(pool);
  await vi.advanceTimersByTimeAsync(60_000);
  expect(reasons).toEqual(["it ended"]);
  succeed();
  await vi.advanceTimersByTimeAsync(30_000);
  pool.proven(pool.members[0]!);
  failWithoutProcess();
  await endAll(pool);
  await vi.advanceTimersByTimeAsync(60_000);
  expect(reasons).toEqual(["it ended", "it ended"]);
});

test("another reason of a failed start is reported too", async () => {
  const { pool, reasons, failWithoutProcess, failAfterReady } = await startFullPool();
  failWithoutProcess();
  await endAll(pool);
  failAfterReady();
  await vi.advanceTimersByTimeAsync(60_000);
  expect(reasons).toEqual(["it ended", "it ended before its first picture"]);
});

test("the first start of a pool that fails is only a rejection, so that it is not logged twice", async () => {
  const { pool, reasons, failWithoutProcess } = startPool();
  failWithoutProcess();
  await expect(pool.start()).rejects.toThrow("it ended");
  await settle();
  expect(reasons).toEqual([]);
  await pool.close();
});

test("workers that end because the pool is closed are no failed starts", async () => {
  const { pool, reasons } = await startFullPool();
  await pool.close();
  await settle();
  expect(reasons).toEqual([]);
});

test("a worker pool starts one worker, and others one at a time while work waits", async () => {
  const { pool, started } = startPool();
  await pool.start();
  await vi.advanceTimersByTimeAsync(300_000);
  expect(started).toHaveLength(1);
  pool.grow("quick");
  pool.grow("quick");
  expect(started).toHaveLength(2);
  await settle();
  pool.grow("quick");
  expect(started).toHaveLength(3);
});

test("a worker pool is ready once its first worker is, and not while that one starts", async () => {
  const { pool, started, delay } = startPool();
  delay();
  const start = pool.start();
  await settle();
  expect([started.length, pool.isReady]).toEqual([1, false]);
  started[0]!.makeReady();
  await start;
  expect(pool.isReady).toBe(true);
});

test("workers without work for a minute end, except the one that worked last, without counting as restarts", async () => {
  const { pool, started, reasons } = await startFullPool();
  const [warm] = pool.members;
  await vi.advanceTimersByTimeAsync(idleMs - 1);
  pool.giveBack(pool.take("quick")!, true);
  const worked = pool.members.find(({ taken }) => taken === 1);
  expect(pool.members.map(({ state }) => state)).toEqual(Array(6).fill("idle"));
  await vi.advanceTimersByTimeAsync(1);
  expect(pool.members).toEqual([worked]);
  await vi.advanceTimersByTimeAsync(10 * idleMs);
  expect(pool.members).toEqual([worked]);
  expect(pool).toMatchObject({ restarts: 0, isReady: true });
  expect([started, reasons]).toEqual([[], []]);
  expect(warm!.isSlow).toBe(false);
});

test("a health check takes each idle worker in turn, and does not keep a worker from ending", async () => {
  const { pool } = await startFullPool();
  const checked = new Set();
  for (let elapsedMs = 0; elapsedMs < idleMs; elapsedMs += 5_000) {
    for (const lane of ["quick", "slow"] as const) {
      const member = pool.takeForCheck(lane)!;
      checked.add(member);
      pool.giveBack(member, false);
    }
    await vi.advanceTimersByTimeAsync(5_000);
  }
  expect(checked.size).toBe(6);
  expect(pool.members).toHaveLength(1);
});

test("work goes to the worker that worked last, so that the others become idle", async () => {
  const { pool } = await startFullPool();
  for (let elapsedMs = 0; elapsedMs < 2 * idleMs; elapsedMs += 10_000) {
    const [one, other] = [pool.take("quick")!, pool.take("quick")!];
    await vi.advanceTimersByTimeAsync(10_000);
    pool.giveBack(one, true);
    pool.giveBack(other, true);
  }
  expect(pool.members).toHaveLength(2);
});

test("a worker that moves to the slow lane leaves its place in the quick lane to a new one", async () => {
  const { pool, started } = startPool();
  await pool.start();
  const member = pool.take("quick")!;
  expect(pool.slowDown(member)).toBe(true);
  expect(started).toHaveLength(2);
  pool.giveBack(member, true);
  await vi.advanceTimersByTimeAsync(idleMs);
  expect(pool.members.map(({ isSlow }) => isSlow)).toEqual([false]);
});

test("a worker that is ready but gets no work ends after a minute", async () => {
  const { pool, started } = startPool();
  await pool.start();
  pool.grow("quick");
  await vi.advanceTimersByTimeAsync(idleMs - 1);
  expect(pool.members).toHaveLength(2);
  await vi.advanceTimersByTimeAsync(1);
  expect([pool.members.length, started.length]).toEqual([1, 2]);
});

test("an idle slow worker takes quick work while the only quick worker is replaced, within the limit of the lane", async () => {
  const { pool, started, delay } = startPool(1);
  await pool.start();
  pool.grow("slow");
  await settle();
  expect(pool.members.map(({ isSlow }) => isSlow)).toEqual([false, true]);
  pool.take("quick");
  expect(pool.isFree("quick")).toBe(false);
  delay();
  started[0]!.process.kill();
  await settle();
  expect([pool.isFree("quick"), pool.isFree("slow")]).toEqual([true, true]);
  const standIn = pool.take("quick")!;
  expect(standIn).toMatchObject({ isSlow: true, lane: "quick", state: "busy" });
  started[2]!.makeReady();
  await settle();
  expect(pool.members.map(({ state }) => state).sort()).toEqual(["busy", "idle"]);
  expect([pool.isFree("quick"), pool.isFree("slow")]).toEqual([false, false]);
  pool.giveBack(standIn, true);
  expect([pool.isFree("quick"), pool.isFree("slow")]).toEqual([true, true]);
});

test("an idle slow worker takes no quick work while a quick worker is up", async () => {
  const { pool } = startPool(2);
  await pool.start();
  pool.grow("slow");
  await settle();
  expect(pool.take("quick")).toMatchObject({ isSlow: false });
  expect([pool.isFree("quick"), pool.isFree("slow")]).toEqual([false, true]);
  expect(pool.take("quick")).toBeUndefined();
});

test("a pool has at most one process more than the quick lane may have, also while a quick worker is in the slow lane", async () => {
  const { pool, started } = startPool(1);
  const moved = await startBothLanes(pool);
  expect(pool.slowDown(moved)).toBe(true);
  expect([started.length, pool.members.length]).toEqual([2, 2]);
  pool.giveBack(moved, true); // one slow worker is enough
  await settle();
  expect([started.length, pool.members.length]).toEqual([3, 2]);
  expect(pool.members.map(({ isSlow }) => isSlow)).toEqual([true, false]);
});

test("a pool lets the next picture begin when a worker is discarded, before its process has ended", async () => {
  const free: boolean[] = [];
  const { pool } = startPool(1, () => free.push(pool.isFree("slow")));
  const moved = await startBothLanes(pool);
  pool.slowDown(moved);
  expect(pool.isFree("slow")).toBe(false); // one slow picture at a time, although a second slow worker is idle
  free.length = 0;
  pool.discard(moved);
  expect(free).toEqual([true]);
  expect(pool.members).toContain(moved);
});

test("an idle slow worker may take quick work as soon as the only quick worker moves to the slow lane", async () => {
  const free: boolean[] = [];
  const { pool } = startPool(1, () => free.push(pool.isFree("quick")));
  const moved = await startBothLanes(pool);
  expect(pool.isFree("quick")).toBe(false);
  free.length = 0;
  pool.slowDown(moved);
  expect(free).toEqual([true]);
});

test("a worker without work ends after a minute also if its last work took longer", async () => {
  const { pool } = startPool(2);
  await pool.start();
  pool.grow("quick");
  await settle();
  const working = [pool.take("quick")!, pool.take("quick")!];
  await vi.advanceTimersByTimeAsync(2 * idleMs);
  for (const member of working) pool.giveBack(member, true);
  await vi.advanceTimersByTimeAsync(idleMs - 1);
  expect(pool.members).toHaveLength(2);
  await vi.advanceTimersByTimeAsync(1);
  expect(pool.members).toHaveLength(1);
});

test("the first answer of a new process starts all missing workers at once", async () => {
  const { pool, started, failWithoutProcess, succeed, delay } = await startFullPool();
  failWithoutProcess();
  await endAll(pool);
  succeed();
  delay();
  await vi.advanceTimersByTimeAsync(2000);
  started.at(-1)!.makeReady();
  await settle();
  expect(pool.members.map(({ state }) => state)).toEqual(["idle", "starting"]); // one at a time after failed starts
  pool.proven(pool.members[0]!);
  expect(pool.members).toHaveLength(6);
});

test("a worker that dies is replaced also after another one was ended without work", async () => {
  const { pool } = startPool(3);
  await pool.start();
  for (let count = 0; count < 2; count += 1) {
    pool.grow("quick");
    await settle();
  }
  const working = [pool.take("quick")!, pool.take("quick")!];
  await vi.advanceTimersByTimeAsync(idleMs);
  for (const member of working) pool.giveBack(member, true);
  expect(pool.members).toEqual(working);
  working[0]!.process.kill();
  await settle();
  expect(pool.members.map((member) => member === working[1])).toEqual([true, false]);
});

test("a pool has one timer for all its idle workers", async () => {
  const { pool } = await startFullPool();
  for (let count = 0; count < 3; count += 1) pool.giveBack(pool.take("quick")!, true);
  expect(vi.getTimerCount()).toBe(1);
});

test("workers that are ended with their pool do not count as restarts", async () => {
  const { pool } = await startFullPool();
  await pool.close();
  expect([pool.restarts, vi.getTimerCount()]).toEqual([0, 0]);
});

test("the warm worker is replaced at once when it dies, and the pool stays ready meanwhile", async () => {
  const { pool, started, delay } = startPool();
  await pool.start();
  delay();
  pool.members[0]!.taken = 1;
  pool.members[0]!.process.kill();
  await settle();
  expect(started).toHaveLength(2);
  expect(pool).toMatchObject({ isReady: true, restarts: 1 });
  expect(pool.isFree("quick")).toBe(false);
});

test("a pool that is closed while workers are idle ends them, and starts none", async () => {
  const { pool, started } = await startFullPool();
  await pool.close();
  await vi.advanceTimersByTimeAsync(10 * idleMs);
  expect(pool.members).toEqual([]);
  expect(started).toEqual([]);
  expect(vi.getTimerCount()).toBe(0);
});
