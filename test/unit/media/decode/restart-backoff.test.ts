import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { createRestartBackoff } from "../../../../src/media/decode/restart-backoff.ts";
import type { DecoderProcess } from "../../../../src/media/decode/worker-process.ts";

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

/** A process that has ended: before it was ready, for this reason, or after it. */
function ended(reason: unknown, pid: number | null = 1): DecoderProcess {
  // eslint-disable-next-line @typescript-eslint/prefer-promise-reject-errors -- a library may throw anything
  const ready = reason === null ? Promise.resolve("8") : Promise.reject<string>(reason);
  ready.catch(() => undefined);
  const nothing = () => undefined;
  return { pid, ready, ended: Promise.resolve(), ask: () => Promise.reject(new Error()), slowDown: nothing, kill: nothing };
} // prettier-ignore

function start() {
  const reasons: string[] = [];
  let ends = 0;
  const backoff = createRestartBackoff({ onEnd: () => (ends += 1), onFailedStart: (reason) => reasons.push(reason) });
  /** Fails once, and returns how many milliseconds the pause lasts. */
  async function pauseMs(process: DecoderProcess): Promise<number> {
    backoff.begin(process, true);
    expect([backoff.isPaused, backoff.isFailing]).toEqual([true, true]);
    const [before, began] = [ends, Date.now()];
    await vi.advanceTimersToNextTimerAsync();
    expect([ends, backoff.isPaused, backoff.isFailing]).toEqual([before + 1, false, true]);
    return Date.now() - began;
  }
  return { backoff, reasons, pauseMs, ends: () => ends };
}

async function pausesOf(pid: number | null, count: number): Promise<number[]> {
  const { pauseMs } = start();
  const pauses = [];
  for (let failures = 0; failures < count; failures += 1) pauses.push(await pauseMs(ended(new Error("it ended"), pid)));
  return pauses;
}

test("the pause after a failed start doubles from 0.2 s to 30 s", async () => {
  const doubled = [200, 400, 800, 1600, 3200, 6400, 12_800, 25_600];
  expect(await pausesOf(1, 30)).toEqual([...doubled, ...Array<number>(22).fill(30_000)]);
});

test("the pause is at most 2 s if not even the process was created", async () => {
  expect(await pausesOf(null, 30)).toEqual([200, 400, 800, 1600, ...Array<number>(26).fill(2000)]);
});

test("failures during a pause do not make it longer, nor the next one", async () => {
  const { backoff, pauseMs } = start();
  backoff.begin(ended(new Error("a")), true);
  backoff.begin(ended(new Error("b")), true);
  expect(await pauseMs(ended(new Error("c")))).toBe(200);
  expect(await pauseMs(ended(new Error("d")))).toBe(400);
});

test("the first answer of a new process makes the next pause short again", async () => {
  const { backoff, pauseMs } = start();
  expect([backoff.isPaused, backoff.isFailing]).toEqual([false, false]);
  for (const expected of [200, 400]) expect(await pauseMs(ended(new Error("a")))).toBe(expected);
  backoff.prove();
  expect(backoff.isFailing).toBe(false);
  expect(await pauseMs(ended(new Error("a")))).toBe(200);
});

test("each reason is reported once until a new process has answered", async () => {
  const { backoff, reasons, pauseMs } = start();
  for (const reason of [new Error("a"), new Error("b"), new Error("a"), "no error", null, null]) await pauseMs(ended(reason)); // prettier-ignore
  const all = ["a", "b", "unknown", "it ended before its first picture"];
  expect(reasons).toEqual(all);
  backoff.prove();
  await pauseMs(ended(new Error("a")));
  expect(reasons).toEqual([...all, "a"]);
});

test("at most ten reasons are reported until a new process has answered", async () => {
  const { backoff, reasons, pauseMs } = start();
  for (let count = 0; count < 15; count += 1) await pauseMs(ended(new Error(`reason ${count}`)));
  expect(reasons).toEqual(Array.from({ length: 10 }, (_, count) => `reason ${count}`));
  backoff.prove();
  await pauseMs(ended(new Error("reason 14")));
  expect(reasons).toHaveLength(11);
});

test("a failure that is not to be reported makes a pause all the same", async () => {
  const { backoff, reasons, ends } = start();
  backoff.begin(ended(new Error("a")), false);
  await vi.advanceTimersByTimeAsync(200);
  expect([reasons, ends()]).toEqual([[], 1]);
});

test("after its end a restart backoff reports nothing, and starts no work", async () => {
  const { backoff, reasons, ends } = start();
  backoff.begin(ended(new Error("a")), true);
  backoff.close();
  await vi.advanceTimersByTimeAsync(60_000);
  expect([reasons, ends(), vi.getTimerCount()]).toEqual([[], 0, 0]);
});
