import { setMaxListeners } from "node:events";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { wholeKey } from "../../../src/domain/limits.ts";
import type { Transfer } from "../../../src/domain/transfer.ts";
import { createTransfers } from "../../../src/load/transfers.ts";

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

const kibibyte = 1024;
const never = new AbortController().signal;
setMaxListeners(0, never);

function startTransfers(maxYielded = 0) {
  /** Lookups in the queue, by the limit that holds them up. */
  let queue: Record<string, number> = {};
  const transfers = createTransfers({
    starved: () => new Map(Object.entries(queue)),
    maxYielded,
    now: () => performance.now(),
  });
  const yielded: string[] = [];
  const begin = (host: string) => {
    const transfer = transfers.begin([host, wholeKey], never, () => yielded.push(host));
    return { transfer, endWait: transfer.wait() };
  };
  return { transfers, begin, yielded, starve: (next: Record<string, number>) => (queue = next) };
}

/** Lets time pass, in which the transfers receive so many bytes a second. */
async function pass(seconds: number, rates: readonly (readonly [Transfer, bytesPerSecond: number])[] = []) {
  for (let tenth = 0; tenth < seconds * 10; tenth += 1) {
    for (const [transfer, rate] of rates) transfer.received(rate / 10);
    await vi.advanceTimersByTimeAsync(100);
  }
}

const endedOf = (...all: readonly { transfer: Transfer }[]) => all.map(({ transfer }) => transfer.signal.aborted);

describe("the slot of a slow transfer", () => {
  test("goes to a waiting lookup after 250 ms, and the transfer runs on", async () => {
    const { begin, starve, yielded } = startTransfers(1);
    const silent = begin("a");
    const decent = begin("b");
    starve({ [wholeKey]: 1 });
    await pass(0.2, [[decent.transfer, 100 * kibibyte]]);
    expect(yielded).toEqual([]);
    await pass(0.2, [[decent.transfer, 100 * kibibyte]]);
    expect([yielded, endedOf(silent, decent)]).toEqual([["a"], [false, false]]);
  });

  test("stays with it while no lookup waits", async () => {
    const { begin, yielded } = startTransfers(1);
    begin("a");
    await pass(5);
    expect(yielded).toEqual([]);
  });

  test("beyond the bound goes only when the slowest transfer without a slot has been slow for two seconds, and ends", async () => {
    const { begin, starve, yielded } = startTransfers(1);
    const [first, second] = [begin("a"), begin("b")];
    starve({ [wholeKey]: 2 });
    await pass(1.9);
    expect([yielded, endedOf(first, second)]).toEqual([["a"], [false, false]]);
    await pass(0.4);
    expect([yielded, endedOf(first, second)]).toEqual([
      ["a", "b"],
      [true, false],
    ]);
  });
});

describe("the slot of a transfer that the service holds back", () => {
  test("the slot of a transfer that is held back after a slow half second stays with it", async () => {
    const { begin, starve, yielded } = startTransfers(1);
    const held = begin("a");
    await pass(0.5);
    held.endWait();
    starve({ [wholeKey]: 1 });
    await pass(1);
    expect([yielded, endedOf(held)]).toEqual([[], [false]]);
  });

  test("a transfer that is held back after two slow windows is not ended", async () => {
    const { begin, starve } = startTransfers();
    const held = begin("a");
    await pass(2.5);
    held.endWait();
    starve({ [wholeKey]: 1 });
    await pass(1);
    expect(endedOf(held)).toEqual([false]);
  });
});

test("of two transfers without a byte the older one gives its slot back, although its first window is not over", async () => {
  const { begin, starve, yielded } = startTransfers(1);
  const older = begin("a");
  older.endWait();
  begin("b");
  await pass(1);
  older.transfer.wait();
  await pass(0.3);
  starve({ [wholeKey]: 1 });
  await pass(0.1);
  expect(yielded).toEqual(["a"]);
});

describe("the rate that a transfer needs to keep its slot", () => {
  test.each([
    { bytes: 16 * kibibyte - 1, expected: ["b"] },
    { bytes: 16 * kibibyte, expected: [] },
  ])(
    "a transfer keeps its slot at 64 KiB/s after exactly 250 ms: with $bytes bytes the slots of $expected go",
    async ({ bytes, expected }) => {
      const { begin, starve, yielded } = startTransfers(2);
      const held = begin("a"); // the reviews are every 100 ms from here
      held.endWait();
      await vi.advanceTimersByTimeAsync(50);
      begin("b").transfer.received(bytes);
      starve({ [wholeKey]: 1 });
      await vi.advanceTimersByTimeAsync(249);
      expect(yielded).toEqual([]);
      await vi.advanceTimersByTimeAsync(1);
      expect(yielded).toEqual(expected);
    },
  );

  test("the rate of a transfer counts at once in the window after a slow one", async () => {
    const { begin, starve, yielded } = startTransfers(1);
    begin("a");
    await pass(1);
    starve({ [wholeKey]: 1 });
    await pass(0.1);
    expect(yielded).toEqual(["a"]);
  });

  test("a low rate costs one transfer its slot for each lookup that waits", async () => {
    const { begin, starve, yielded } = startTransfers(3);
    for (const host of ["a", "b", "c"]) begin(host);
    await pass(0.9);
    starve({ [wholeKey]: 2 });
    await pass(0.1);
    starve({});
    await pass(0.8);
    expect(yielded).toEqual(["a", "b"]);
  });

  test("a low rate does not matter if a lookup has waited for less than 100 ms", async () => {
    const waitedMs = { value: 0 };
    const transfers = createTransfers({
      starved: (least) => new Map(waitedMs.value >= least ? [[wholeKey, 1]] : []),
      maxYielded: 1,
      now: () => performance.now(),
    });
    let hasYielded = false;
    using transfer = transfers.begin([wholeKey], never, () => (hasYielded = true));
    transfer.wait();
    waitedMs.value = 99;
    await pass(1);
    expect(hasYielded).toBe(false);
    waitedMs.value = 100;
    await pass(0.1);
    expect(hasYielded).toBe(true);
  });
});

describe("a slow transfer", () => {
  test("a slow transfer that has ended does not count for the next lookup: the next one yields", async () => {
    const { begin, starve } = startTransfers();
    const [first, second] = [begin("a"), begin("b")];
    await pass(2);
    starve({ [wholeKey]: 1 });
    await pass(0.1);
    expect(endedOf(first, second)).toEqual([true, false]);
    await pass(0.1);
    expect(endedOf(first, second)).toEqual([true, true]);
  });

  test("a slow transfer yields also after another one is over", async () => {
    const { begin, starve } = startTransfers();
    const [over, silent] = [begin("a"), begin("b")];
    over.transfer[Symbol.dispose]();
    starve({ [wholeKey]: 1 });
    await pass(2);
    expect(endedOf(silent)).toEqual([true]);
  });

  test("a transfer that is over is not aborted by the signal of its lookup", () => {
    const { transfers } = startTransfers();
    const limit = new AbortController();
    const transfer = transfers.begin([wholeKey], limit.signal, () => undefined);
    transfer[Symbol.dispose]();
    limit.abort();
    expect(transfer.signal.aborted).toBe(false);
  });

  test("yields to a lookup that waits for a slot, after two seconds", async () => {
    const { begin, starve } = startTransfers();
    const silent = begin("a");
    starve({ [wholeKey]: 1 });
    await pass(1.9);
    expect(endedOf(silent)).toEqual([false]);
    await pass(0.4);
    expect(endedOf(silent)).toEqual([true]);
  });

  test("never yields while no lookup waits", async () => {
    const { begin } = startTransfers();
    const silent = begin("a");
    await pass(60);
    expect(endedOf(silent)).toEqual([false]);
  });

  test("yields if it is the slowest, one for each lookup that waits", async () => {
    const { begin, starve } = startTransfers();
    const [slow, slower, slowest] = [begin("a"), begin("b"), begin("c")];
    const rates = [
      [slow.transfer, 30 * kibibyte],
      [slower.transfer, 20 * kibibyte],
      [slowest.transfer, 10 * kibibyte],
    ] as const;
    await pass(3, rates);
    starve({ [wholeKey]: 2 });
    await pass(0.1, rates); // one review
    starve({});
    await pass(3, rates);
    expect(endedOf(slow, slower, slowest)).toEqual([false, true, true]);
  });

  test("yields only to lookups that its end makes room for", async () => {
    const { begin, starve } = startTransfers();
    const [other, same] = [begin("a"), begin("b")];
    starve({ b: 1 });
    await pass(3);
    expect(endedOf(other, same)).toEqual([false, true]);
  });

  test("is ended by the signal of its lookup too", () => {
    const { transfers } = startTransfers();
    const limit = new AbortController();
    using transfer = transfers.begin([wholeKey], limit.signal, () => undefined);
    limit.abort();
    expect(transfer.signal.aborted).toBe(true);
    expect(transfers.begin([wholeKey], limit.signal, () => undefined).signal.aborted).toBe(true);
  });
});

describe("the windows of a transfer", () => {
  /** Lets a transfer receive so many bytes at the start of each second. */
  async function passWith(bytesPerSecond: number, seconds: number, transfer: Transfer) {
    for (let second = 0; second < seconds; second += 1) {
      transfer.received(bytesPerSecond);
      await pass(1);
    }
  }

  test("the windows of a transfer last one second each: a slow one ends 2.0 s after its begin", async () => {
    const { begin, starve } = startTransfers();
    const silent = begin("a");
    starve({ [wholeKey]: 1 });
    await pass(1.9);
    expect(endedOf(silent)).toEqual([false]);
    await pass(0.1);
    expect(endedOf(silent)).toEqual([true]);
  });

  test.each([
    { bytes: 64 * kibibyte - 1, isEnded: true },
    { bytes: 64 * kibibyte, isEnded: false },
  ])("windows with $bytes bytes are slow: $isEnded, since the least rate is 64 KiB/s", async ({ bytes, isEnded }) => {
    const { begin } = startTransfers();
    const large = begin("a");
    large.endWait();
    large.transfer.received(2048 * kibibyte); // large, in no window
    await passWith(0, 1, large.transfer);
    const endWait = large.transfer.wait();
    await pass(1); // the fast window
    await passWith(bytes, 4, large.transfer);
    endWait();
    expect(endedOf(large)).toEqual([isEnded]);
  });

  test("the windows of a transfer count waits that begin and end between two reviews", async () => {
    const { begin, starve } = startTransfers();
    const silent = begin("a");
    silent.endWait();
    for (let tenth = 0; tenth < 25; tenth += 1) {
      await vi.advanceTimersByTimeAsync(10);
      const endWait = silent.transfer.wait();
      await vi.advanceTimersByTimeAsync(80);
      endWait();
      await vi.advanceTimersByTimeAsync(10);
    }
    starve({ [wholeKey]: 1 });
    silent.transfer.wait();
    await pass(0.1);
    expect(endedOf(silent)).toEqual([true]);
  });

  test("the windows of a transfer go on while one of two waits lasts, and ending a wait twice ends it once", async () => {
    const { begin, starve } = startTransfers();
    const silent = begin("a");
    const endWait = silent.transfer.wait();
    starve({ [wholeKey]: 1 });
    await pass(1);
    endWait();
    endWait();
    await pass(0.9);
    expect(endedOf(silent)).toEqual([false]);
    await pass(0.1);
    expect(endedOf(silent)).toEqual([true]);
  });
});

describe("a transfer never yields", () => {
  test("at a decent rate, however many lookups wait", async () => {
    const { begin, starve } = startTransfers();
    const decent = begin("a");
    starve({ [wholeKey]: 100 });
    await pass(10, [[decent.transfer, 80 * kibibyte]]);
    expect(endedOf(decent)).toEqual([false]);
  });

  test("while the service holds it back itself, nor soon after", async () => {
    const { begin, starve } = startTransfers();
    const held = begin("a");
    starve({ [wholeKey]: 100 });
    await pass(1.5);
    held.endWait();
    await pass(60);
    const endWait = held.transfer.wait();
    await pass(0.4);
    endWait();
    await pass(60);
    expect(endedOf(held)).toEqual([false]);
    held.transfer.wait();
    await pass(1);
    expect(endedOf(held)).toEqual([true]);
  });

  test("if it has become faster meanwhile", async () => {
    const { begin, starve } = startTransfers();
    const better = begin("a");
    await pass(5);
    better.transfer.received(100 * kibibyte);
    starve({ [wholeKey]: 1 });
    await pass(4, [[better.transfer, 100 * kibibyte]]);
    expect(endedOf(better)).toEqual([false]);
  });

  test("after its end", async () => {
    const { begin, starve } = startTransfers();
    const over = begin("a");
    over.transfer[Symbol.dispose]();
    starve({ [wholeKey]: 1 });
    await pass(5);
    expect(endedOf(over)).toEqual([false]);
    expect(vi.getTimerCount()).toBe(0);
  });
});

describe("a body beyond 1 MiB", () => {
  test("that stops is ended within 5.1 seconds, although no lookup waits", async () => {
    const { begin } = startTransfers();
    const stopped = begin("a");
    await pass(1.5, [[stopped.transfer, 20_000 * kibibyte]]);
    await pass(3.4);
    expect(endedOf(stopped)).toEqual([false]);
    await pass(1.6);
    expect(endedOf(stopped)).toEqual([true]);
  });

  test("of a decent rate goes on, with a stall of three seconds", async () => {
    const { begin } = startTransfers();
    const decent = begin("a");
    await pass(20, [[decent.transfer, 100 * kibibyte]]);
    await pass(3);
    await pass(20, [[decent.transfer, 100 * kibibyte]]);
    expect(endedOf(decent)).toEqual([false]);
  });

  test("goes on, however long the service holds it back", async () => {
    const { begin } = startTransfers();
    const held = begin("a");
    held.transfer.received(20_000 * kibibyte);
    held.endWait();
    await pass(60);
    expect(endedOf(held)).toEqual([false]);
  });

  test.each([
    { bytes: 1024 * kibibyte, isEnded: false },
    { bytes: 1024 * kibibyte + 1, isEnded: true },
  ])("a body needs a rate beyond 1 MiB: with $bytes bytes a stall ends it: $isEnded", async ({ bytes, isEnded }) => {
    const { begin } = startTransfers();
    const stopped = begin("a");
    stopped.transfer.received(bytes);
    await pass(5);
    expect(endedOf(stopped)).toEqual([isEnded]);
  });

  test.each([
    { bytes: 64 * kibibyte - 1, isEnded: true },
    { bytes: 64 * kibibyte, isEnded: false },
  ])(
    "a body that exceeds 1 MiB after a stall needs 64 KiB: with $bytes bytes it ends: $isEnded",
    async ({ bytes, isEnded }) => {
      const { begin } = startTransfers();
      const stalled = begin("a");
      stalled.transfer.received(1000 * kibibyte);
      await pass(6);
      stalled.transfer.received(bytes);
      await pass(0.5);
      expect(endedOf(stalled)).toEqual([isEnded]);
    },
  );

  test("is the only one that must keep a rate: a smaller one that stops has its time", async () => {
    const { begin } = startTransfers();
    const small = begin("a");
    small.transfer.received(1000 * kibibyte);
    await pass(60);
    expect(endedOf(small)).toEqual([false]);
  });
});

test("the received bytes of all transfers are added up, also after they have ended", () => {
  const { transfers, begin } = startTransfers();
  const [first, second] = [begin("a"), begin("b")];
  first.transfer.received(2);
  first.transfer[Symbol.dispose]();
  second.transfer.received(3);
  expect(transfers.receivedBytes).toBe(5);
});
