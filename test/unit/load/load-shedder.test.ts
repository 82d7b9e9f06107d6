import { performance } from "node:perf_hooks";
import { setImmediate as nextTurn } from "node:timers/promises";
import { expect, test, vi } from "vitest";
import { createLoadShedder, type LoadShedder, sheddingLimits } from "../../../src/load/load-shedder.ts";

const limits = { mostBusy: 0.5, everyMs: 20 };

/** Keeps the event loop busy. */
async function beBusy(milliseconds: number): Promise<void> {
  for (const end = performance.now() + milliseconds; performance.now() < end;) await nextTurn();
}

/** Returns the rejected share of a hundred requests. */
function shareRejected(shedder: LoadShedder): number {
  return Array.from({ length: 100 }, () => shedder.decide()).filter((decision) => decision === "reject").length / 100;
}

test("an overloaded process rejects a growing share of the requests, and all of them in the end", async () => {
  const shedder = createLoadShedder({ ...limits, isNeeded: () => true });
  expect(shareRejected(shedder)).toBe(0);
  const shares: number[] = [];
  while (shares.length === 0 || shares.at(-1)! < 1) {
    await beBusy(10);
    shares.push(shareRejected(shedder));
  }
  expect(shares.some((share) => share > 0 && share < 1)).toBe(true);
  expect(shares).toEqual(shares.toSorted((a, b) => a - b));
});

test("the load shedder accepts all requests again when the event loop is idle", async () => {
  const shedder = createLoadShedder({ ...limits, isNeeded: () => true });
  await beBusy(1000);
  await vi.waitFor(() => expect(shareRejected(shedder)).toBe(0), 15_000);
});

test("a busy event loop alone rejects no request while the service is not overloaded", async () => {
  const shedder = createLoadShedder({ ...limits, isNeeded: () => false });
  await beBusy(500);
  expect(shareRejected(shedder)).toBe(0);
});

test("load shedding continues while requests are rejected and the event loop is busy, then ends", async () => {
  let isNeeded = true;
  const shedder = createLoadShedder({ ...limits, isNeeded: () => isNeeded });
  await beBusy(1000);
  isNeeded = false;
  for (let round = 0; round < 20; round += 1) {
    expect(shareRejected(shedder)).toBeGreaterThan(0.8);
    await beBusy(25);
  }
  await vi.waitFor(() => expect(shareRejected(shedder)).toBe(0), 15_000);
});

test("rejections are spread evenly over the requests", async () => {
  const shedder = createLoadShedder({ ...limits, isNeeded: () => true });
  while (shareRejected(shedder) < 0.2) await beBusy(5);
  const between = Array.from({ length: 60 }, () => (shedder.decide() === "reject" ? "x" : "."))
    .join("")
    .split("x")
    .slice(1, -1)
    .map(({ length }) => length);
  expect(Math.max(...between) - Math.min(...between)).toBeLessThanOrEqual(1);
});

test("by default a flood is rejected within a quarter of a second, and accepted again in more than a second", ({
  onTestFinished,
}) => {
  vi.useFakeTimers();
  const utilization = { idle: 0, active: 0, utilization: 1 };
  const meter = vi.spyOn(performance, "eventLoopUtilization").mockImplementation(() => utilization);
  onTestFinished(() => {
    meter.mockRestore();
    vi.useRealTimers();
  });
  const shedder = createLoadShedder({ ...sheddingLimits, isNeeded: () => true });
  const sharesOver = (measurements: number) =>
    Array.from({ length: measurements }, () => {
      vi.advanceTimersByTime(50);
      return shareRejected(shedder);
    });
  const rising = sharesOver(5);
  expect(rising[0]).toBe(0.2); // half of the excess over 0.6
  expect(rising.slice(0, 4).every((share) => share < 1)).toBe(true);
  expect(rising[4]).toBe(1);
  expect(sharesOver(10).every((share) => share === 1)).toBe(true);
  utilization.utilization = 0.6; // the target
  expect(sharesOver(10).every((share) => share === 1)).toBe(true);
  utilization.utilization = 0;
  const falling = sharesOver(40);
  expect(falling[0]).toBeLessThan(1); // however long the flood was
  expect(falling.slice(0, 20).every((share) => share > 0)).toBe(true);
  expect(falling.at(-1)).toBe(0);
});
