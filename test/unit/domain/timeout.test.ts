import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { startTimeLimit, within } from "../../../src/domain/timeout.ts";

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

const phase = { timeoutMs: 1000, reason: "tls" } as const;

/** Work that never ends, and its signal. */
function hang() {
  const signals: AbortSignal[] = [];
  const work = (signal: AbortSignal) => {
    signals.push(signal);
    return new Promise<never>(() => undefined);
  };
  return { work, signals };
}

/** A signal that counts its listeners. */
function createOuter() {
  const controller = new AbortController();
  const add = vi.spyOn(controller.signal, "addEventListener");
  const remove = vi.spyOn(controller.signal, "removeEventListener");
  return { abort: () => controller.abort(), signal: controller.signal, add, remove };
}

test("a phase that ends in time returns its result, and leaves no timer and no listener", async () => {
  const { signal, add, remove } = createOuter();
  await expect(within(phase, signal, () => Promise.resolve(5))).resolves.toBe(5);
  expect(vi.getTimerCount()).toBe(0);
  expect(remove.mock.calls.map(([type, listener]) => [type, listener])).toEqual(
    add.mock.calls.map(([type, listener]) => [type, listener]),
  );
  expect(add).toHaveBeenCalledOnce();
});

test("a phase that fails rejects with its own error, and leaves no timer", async () => {
  const error = new Error("refused");
  await expect(within(phase, new AbortController().signal, () => Promise.reject(error))).rejects.toBe(error);
  expect(vi.getTimerCount()).toBe(0);
});

test("a phase ends at its timeout with its own reason, and its work is aborted", async () => {
  const { work, signals } = hang();
  const ended = expect(within(phase, new AbortController().signal, work)).rejects.toMatchObject({
    code: "source_unreachable",
    reason: "tls",
  });
  await vi.advanceTimersByTimeAsync(999);
  expect(signals[0]?.aborted).toBe(false);
  await vi.advanceTimersByTimeAsync(1);
  await ended;
  expect(signals[0]?.aborted).toBe(true);
});

test("a phase ends with the whole fetch, and its reason is then the timeout", async () => {
  const { abort, signal } = createOuter();
  const { work, signals } = hang();
  const ended = expect(within(phase, signal, work)).rejects.toMatchObject({ reason: "timeout" });
  abort();
  await ended;
  expect([signals[0]?.aborted, vi.getTimerCount()]).toEqual([true, 0]);
});

test("a phase does not begin after the end of the whole fetch", async () => {
  const { work, signals } = hang();
  await expect(within(phase, AbortSignal.abort(), work)).rejects.toMatchObject({
    code: "source_unreachable",
    reason: "timeout",
  });
  expect([signals, vi.getTimerCount()]).toEqual([[], 0]);
});

test("a time limit aborts its signal at the limit, and not before", () => {
  const limit = startTimeLimit(1000);
  vi.advanceTimersByTime(999);
  expect(limit.signal.aborted).toBe(false);
  vi.advanceTimersByTime(1);
  expect(limit.signal.aborted).toBe(true);
});

test("a time limit aborts its signal together with an outer one, also if that was aborted before", () => {
  const { abort, signal } = createOuter();
  const limit = startTimeLimit(1000, signal);
  expect(limit.signal.aborted).toBe(false);
  abort();
  expect(limit.signal.aborted).toBe(true);
  expect(startTimeLimit(1000, signal).signal.aborted).toBe(true);
});

test("a time limit that has been disposed leaves no timer, and ignores the outer signal", () => {
  const { abort, signal } = createOuter();
  const limit = startTimeLimit(1000, signal);
  limit[Symbol.dispose]();
  expect(vi.getTimerCount()).toBe(0);
  abort();
  expect(limit.signal.aborted).toBe(false);
});
