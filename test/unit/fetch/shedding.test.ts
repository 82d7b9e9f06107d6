import { setImmediate as nextTurn } from "node:timers/promises";
import { expect, test, vi } from "vitest";
import { createShedding } from "../../../src/fetch/shedding.ts";

const limits = { mostBusy: 0.5, everyMs: 20 };

/** Leaves the event loop no rest. */
async function beBusy(milliseconds: number): Promise<void> {
  for (const end = performance.now() + milliseconds; performance.now() < end;) await nextTurn();
}

/** The share of a hundred who ask that are refused. */
function shareRefused(shedding: { refuses(): boolean }): number {
  return Array.from({ length: 100 }, () => shedding.refuses()).filter(Boolean).length / 100;
}

test("a process that is too busy has only heads read at first, then refuses more and more, and all in the end", async () => {
  const shedding = createShedding({ ...limits, isNeeded: () => true });
  expect([shedding.isForHeads, shareRefused(shedding)]).toEqual([false, 0]);
  let refusedBeforeHeads = 0;
  while (!shedding.isForHeads) {
    refusedBeforeHeads += shareRefused(shedding);
    await beBusy(5);
  }
  expect([refusedBeforeHeads, shareRefused(shedding)]).toEqual([0, 0]);
  await beBusy(1000);
  expect(shareRefused(shedding)).toBeGreaterThan(0.9);
});

test("it comes back to all of it when it has rested", async () => {
  const shedding = createShedding({ ...limits, isNeeded: () => true });
  await beBusy(1000);
  await vi.waitFor(() => expect([shedding.isForHeads, shareRefused(shedding)]).toEqual([false, 0]), 15_000);
});

test("however busy it is, nobody is refused while all that is asked for can be done", async () => {
  const shedding = createShedding({ ...limits, isNeeded: () => false });
  await beBusy(500);
  expect([shedding.isForHeads, shareRefused(shedding)]).toEqual([false, 0]);
});

test("refusals are spread evenly", async () => {
  let isNeeded = true;
  const shedding = createShedding({ ...limits, isNeeded: () => isNeeded });
  while (shareRefused(shedding) < 0.3) await beBusy(5);
  isNeeded = false;
  const inARow = Array.from({ length: 60 }, () => (shedding.refuses() ? "x" : "."))
    .join("")
    .split("x")
    .map(({ length }) => length);
  expect(Math.max(...inARow.slice(1, -1)) - Math.min(...inARow.slice(1, -1))).toBeLessThanOrEqual(1);
});
