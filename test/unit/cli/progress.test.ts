import { PassThrough } from "node:stream";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { createProgress } from "../../../src/cli/progress.ts";

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

/** Starts the progress of a batch; `written()` returns the text since the last call. */
function start(total: number | null, isTTY: boolean) {
  const output = Object.assign(new PassThrough(), { isTTY });
  const progress = createProgress(output, total);
  return { progress, written: () => String((output.read() as Buffer | null) ?? "") };
}

test("a terminal has the count, the rate, the failures and the time left", () => {
  const { progress, written } = start(100, true);
  vi.advanceTimersByTime(2000);
  progress.finished(true);
  expect(written()).toBe("\r\x1b[K1 of 100, 0.5/s, 0 failed, 3 min 18 s left");
  for (let count = 2; count <= 10; count += 1) progress.finished(false);
  vi.advanceTimersByTime(3000);
  progress.finished(true);
  expect(written()).toBe("\r\x1b[K11 of 100, 2.2/s, 9 failed, 41 s left");
  expect([progress.done, progress.failures]).toEqual([11, 9]);
});

test("lines with earlier results count as done, but not for the rate", () => {
  const { progress, written } = start(100, true);
  for (let count = 0; count < 50; count += 1) progress.skipped();
  vi.advanceTimersByTime(1000);
  progress.finished(true);
  expect(written()).toBe("\r\x1b[K51 of 100, 1.0/s, 0 failed, 49 s left");
  expect([progress.done, progress.failures]).toEqual([1, 0]);
});

test("without a total there is no time left", () => {
  const { progress, written } = start(null, true);
  vi.advanceTimersByTime(1000);
  progress.finished(true);
  expect(written()).toBe("\r\x1b[K1, 1.0/s, 0 failed");
});

test("a terminal is written to at most five times a second", () => {
  const { progress, written } = start(null, true);
  vi.advanceTimersByTime(1000);
  progress.finished(true);
  expect(written()).not.toBe("");
  vi.advanceTimersByTime(199);
  progress.finished(true);
  expect(written()).toBe("");
  vi.advanceTimersByTime(1);
  progress.finished(true);
  expect(written()).toContain("3, ");
});

test("the rate of results that arrive at once is a finite number", () => {
  vi.setSystemTime(0);
  vi.advanceTimersByTime(1000);
  const { progress, written } = start(2, true);
  progress.finished(true);
  expect(written()).toBe("\r\x1b[K1 of 2, 1000.0/s, 0 failed, 1 s left");
});

test.each([
  [1, "1 s"],
  [59_000, "59 s"],
  [59_001, "1 min 0 s"],
  [60_000, "1 min 0 s"],
  [3_599_000, "59 min 59 s"],
  [3_600_000, "1 h 0 min"],
  [7_380_000, "2 h 3 min"],
])("the totals of a batch of %d ms say that it took %s", (milliseconds, text) => {
  const { progress, written } = start(null, false);
  vi.advanceTimersByTime(milliseconds);
  progress.end();
  expect(written()).toBe(`0 looked up in ${text}, 0 failed\n`);
});

test("a file has only the totals, with the skipped lines if there are any", () => {
  const { progress, written } = start(3, false);
  progress.skipped();
  vi.advanceTimersByTime(1000);
  progress.finished(false);
  progress.finished(true);
  expect(written()).toBe("");
  progress.end();
  expect(written()).toBe("2 looked up in 1 s, 1 failed, 1 skipped (final results of an earlier run)\n");
});

test("the totals replace the last line of a terminal", () => {
  const { progress, written } = start(1, true);
  vi.advanceTimersByTime(1000);
  progress.end();
  expect(written()).toBe("\r\x1b[K0 looked up in 1 s, 0 failed\n");
});
