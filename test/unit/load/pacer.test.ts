import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { createPacer, type Pacer, pacerLimits } from "../../../src/load/pacer.ts";

const limits = { mostBusy: 0.8, everyMs: 20, fewest: 3, headMs: 250, now: () => performance.now() };
const never = new AbortController().signal;
const isBusy = 1;
const isIdle = 0;

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

/** Starts so many fetches; returns those that have started, in their order. */
function startMany(pacer: Pacer, count: number, signal = never) {
  const started: { readonly number: number; readonly end: () => void }[] = [];
  const failures: unknown[] = [];
  for (let number = 0; number < count; number += 1) {
    pacer.start(signal).then(
      (start) => started.push({ number, end: () => start[Symbol.dispose]() }),
      (error: unknown) => failures.push(error),
    );
  }
  return { started, failures, numbers: () => started.map(({ number }) => number) };
}

test("while the event loop is idle, all fetches start at once", async () => {
  const pacer = createPacer({ ...limits, utilization: () => isIdle });
  const { started } = startMany(pacer, 100);
  await vi.advanceTimersByTimeAsync(0);
  expect(started).toHaveLength(100);
  expect(pacer.waiting).toBe(0);
});

test("while the event loop is busy, few fetches are without a head, and each head lets the next one start", async () => {
  const pacer = createPacer({ ...limits, utilization: () => isBusy });
  const { started, numbers } = startMany(pacer, 5);
  await vi.advanceTimersByTimeAsync(0);
  expect(numbers()).toEqual([0, 1, 2]);
  expect(pacer.waiting).toBe(2);
  started[1]!.end();
  started[1]!.end(); // counts once
  await vi.advanceTimersByTimeAsync(0);
  expect(numbers()).toEqual([0, 1, 2, 3]);
  started[0]!.end();
  await vi.advanceTimersByTimeAsync(0);
  expect(numbers()).toEqual([0, 1, 2, 3, 4]);
  expect(pacer.waiting).toBe(0);
});

test("origins that send no head hold the others up for a quarter of a second at most", async () => {
  const pacer = createPacer({ ...limits, utilization: () => isBusy });
  const { numbers } = startMany(pacer, 7);
  await vi.advanceTimersByTimeAsync(limits.headMs - 1);
  expect(numbers()).toEqual([0, 1, 2]);
  await vi.advanceTimersByTimeAsync(1);
  expect(numbers()).toEqual([0, 1, 2, 3, 4, 5]);
  await vi.advanceTimersByTimeAsync(limits.headMs);
  expect(numbers()).toEqual([0, 1, 2, 3, 4, 5, 6]);
});

test("when the event loop is idle again, a few more start at each measurement, however many are without a head", async () => {
  let utilization = isBusy;
  const pacer = createPacer({ ...limits, headMs: 60_000, utilization: () => utilization });
  const { numbers } = startMany(pacer, 10);
  await vi.advanceTimersByTimeAsync(200);
  expect(numbers()).toHaveLength(3);
  utilization = isIdle;
  const lengths = [];
  for (let measurement = 0; measurement < 3; measurement += 1) {
    await vi.advanceTimersByTimeAsync(limits.everyMs);
    lengths.push(numbers().length);
  }
  expect(lengths).toEqual([6, 9, 10]); // the last one, which waits alone, too
  expect(numbers()).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
});

test("a fetch that arrives while others wait starts after them", async () => {
  let utilization = isBusy;
  const pacer = createPacer({ ...limits, headMs: 60_000, utilization: () => utilization });
  const { numbers } = startMany(pacer, 4);
  await vi.advanceTimersByTimeAsync(limits.everyMs - 1);
  utilization = isIdle;
  await vi.advanceTimersByTimeAsync(0);
  const late = startMany(pacer, 1);
  expect([numbers().length, late.started.length]).toEqual([3, 0]);
  await vi.advanceTimersByTimeAsync(limits.everyMs);
  expect([numbers().length, late.started.length]).toEqual([4, 1]);
});

test("an aborted signal ends the wait as overloaded, and leaves no place in the queue", async () => {
  const pacer = createPacer({ ...limits, utilization: () => isBusy });
  const { started, numbers } = startMany(pacer, 3);
  const caller = new AbortController();
  const aborted = startMany(pacer, 2, caller.signal);
  const patient = startMany(pacer, 1);
  await vi.advanceTimersByTimeAsync(0);
  caller.abort();
  await vi.advanceTimersByTimeAsync(0);
  const overloaded = expect.objectContaining({ code: "overloaded" }) as unknown;
  expect(aborted.failures).toEqual([overloaded, overloaded]);
  expect(pacer.waiting).toBe(1);
  started[0]!.end();
  await vi.advanceTimersByTimeAsync(0);
  expect([numbers().length, aborted.started.length, patient.started.length]).toEqual([3, 0, 1]);
  await expect(pacer.start(AbortSignal.abort())).rejects.toMatchObject({ code: "overloaded" });
});

test("a pacer without waiting fetches has no timer", async () => {
  const pacer = createPacer({ ...limits, utilization: () => isBusy });
  const { started } = startMany(pacer, 4);
  await vi.advanceTimersByTimeAsync(0);
  for (let next = 0; next < 4; next += 1) {
    started[next]!.end();
    await vi.advanceTimersByTimeAsync(0);
  }
  expect(started).toHaveLength(4);
  expect(vi.getTimerCount()).toBe(0);
});

test("a signal that is aborted after its fetch has started removes no other fetch from the queue", async () => {
  const pacer = createPacer({ ...limits, utilization: () => isBusy });
  const { started } = startMany(pacer, 3);
  const caller = new AbortController();
  const first = startMany(pacer, 1, caller.signal);
  const second = startMany(pacer, 1);
  await vi.advanceTimersByTimeAsync(0);
  started[0]!.end();
  await vi.advanceTimersByTimeAsync(0);
  caller.abort();
  expect([first.started.length, pacer.waiting]).toEqual([1, 1]);
  started[1]!.end();
  await vi.advanceTimersByTimeAsync(0);
  expect(second.started).toHaveLength(1);
});

test("fetches that have started while the event loop was idle count when it is busy", async () => {
  let utilization = isIdle;
  const pacer = createPacer({ ...limits, headMs: 60_000, utilization: () => utilization });
  const { started } = startMany(pacer, 5);
  await vi.advanceTimersByTimeAsync(limits.everyMs);
  utilization = isBusy;
  const late = startMany(pacer, 2);
  await vi.advanceTimersByTimeAsync(200);
  expect([started.length, late.started.length]).toEqual([5, 0]);
  const lengths = [];
  for (const { end } of started) {
    end();
    await vi.advanceTimersByTimeAsync(0);
    lengths.push(late.started.length);
  }
  expect(lengths).toEqual([0, 0, 1, 2, 2]); // once fewer than three are left
});

test("the event loop is measured every 20 ms, and busy beyond a utilization of 0.8", async () => {
  let utilization = 0.8;
  let measurements = 0;
  const pacer = createPacer({
    ...pacerLimits,
    now: () => performance.now(),
    utilization: () => {
      measurements += 1;
      return utilization;
    },
  });
  const idle = startMany(pacer, 7);
  await vi.advanceTimersByTimeAsync(19);
  for (const { end } of idle.started) end();
  utilization = 0.81;
  startMany(pacer, 1);
  await vi.advanceTimersByTimeAsync(0);
  expect([idle.started.length, measurements]).toEqual([7, 1]);
  await vi.advanceTimersByTimeAsync(1);
  const busy = startMany(pacer, 7);
  await vi.advanceTimersByTimeAsync(0);
  expect([busy.started.length, measurements]).toEqual([5, 2]); // six with the one before
  await vi.advanceTimersByTimeAsync(60);
  expect(measurements).toBe(5);
});

test("by default a fetch without a head counts for 250 ms", async () => {
  const pacer = createPacer({ ...pacerLimits, utilization: () => isBusy, now: () => performance.now() });
  const { started } = startMany(pacer, 7);
  await vi.advanceTimersByTimeAsync(249);
  expect(started).toHaveLength(6);
  await vi.advanceTimersByTimeAsync(1);
  expect(started).toHaveLength(7);
});
