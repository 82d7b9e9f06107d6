import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { createDecodeQueue, type DecodePermit, type DecodeQueueOptions } from "../../../src/load/decode-queue.ts";

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

function turnsWith(options: Partial<DecodeQueueOptions> = {}) {
  const turns = createDecodeQueue({
    maxBytes: 100,
    maxWorkMs: 500,
    expectedMs: () => 0,
    arrivalMs: 250,
    lookMs: 1000,
    patienceMs: 2000,
    isCrowded: () => false,
    coming: () => 0,
    shortMs: 1000,
    ...options,
  });
  /** Whether each caller has a permit, was rejected, or waits. */
  const asked: ("has" | "none" | "waits")[] = [];
  const held: DecodePermit[] = [];
  const take = (bytes: number, signal = new AbortController().signal) => {
    const at = asked.push("waits") - 1;
    void turns.take(bytes, signal).then((turn) => {
      asked[at] = turn ? "has" : "none";
      if (turn) held[at] = turn;
    });
  };
  /** Advances the time, and lets promises settle. */
  const pass = (milliseconds: number) => vi.advanceTimersByTimeAsync(milliseconds);
  const end = (at: number) => held[at]![Symbol.dispose]();
  return { turns, take, asked, held, pass, end };
}

describe("decode permits", () => {
  test("the decode queue grants permits at once while little waits for the decoders, then in FIFO order", async () => {
    const { take, asked, pass, end } = turnsWith();
    for (let index = 0; index < 6; index += 1) take(25);
    await pass(0);
    expect(asked).toEqual(["has", "has", "has", "has", "waits", "waits"]);
    end(2);
    await pass(0);
    expect(asked).toEqual(["has", "has", "has", "has", "has", "waits"]);
  });

  test("the decode queue is bounded by estimated work, not only by bytes", async () => {
    const { take, asked, pass } = turnsWith({ expectedMs: () => 250 });
    for (let index = 0; index < 3; index += 1) take(1);
    await pass(0);
    expect(asked).toEqual(["has", "has", "waits"]);
  });

  test("a large body gets a permit beside others, and a single body does at any estimate", async () => {
    const { take, asked, pass } = turnsWith();
    for (let index = 0; index < 5; index += 1) take(1_000_000);
    await pass(0);
    expect(asked).toEqual(["has", "has", "has", "has", "waits"]);
    const slow = turnsWith({ expectedMs: () => 10_000 });
    slow.take(1);
    await slow.pass(0);
    expect(slow.asked).toEqual(["has"]);
  });

  test("a slowly arriving body does not count against the decode queue until it is complete", async () => {
    const { take, asked, held, pass, end } = turnsWith();
    for (let index = 0; index < 5; index += 1) take(25);
    await pass(249);
    expect(asked[4]).toBe("waits");
    await pass(1);
    expect(asked[4]).toBe("has");
    for (const turn of held) turn.arrived();
    take(25);
    await pass(999);
    expect(asked[5]).toBe("waits");
    end(0);
    end(1);
    await pass(0);
    expect(asked[5]).toBe("has");
  });

  test("a slow decode counts against the decode queue for one second only", async () => {
    const { take, asked, held, pass } = turnsWith();
    for (let index = 0; index < 5; index += 1) take(25);
    await pass(0);
    for (const turn of held) turn.arrived();
    await pass(999);
    expect(asked[4]).toBe("waits");
    await pass(1);
    expect(asked[4]).toBe("has");
  });
});

describe("a caller in the decode queue", () => {
  const full = { expectedMs: () => 500, arrivalMs: 60_000 };

  test("callers are rejected after two seconds in the decode queue, later ones at once in a 1 s cooldown", async () => {
    const { turns, take, asked, pass, end } = turnsWith(full);
    take(1);
    take(1);
    await pass(1000);
    take(1);
    await pass(1000);
    expect(asked).toEqual(["has", "waits", "waits"]);
    expect([turns.waiting, turns.isShort]).toEqual([2, false]);
    await pass(100);
    expect(asked).toEqual(["has", "none", "none"]);
    take(1);
    await pass(900);
    take(1);
    await pass(0);
    expect(asked.slice(3)).toEqual(["none", "none"]);
    expect(turns.isShort).toBe(true);
    await pass(1000);
    expect(turns.isShort).toBe(false);
    take(1);
    await pass(0);
    expect(asked[5]).toBe("waits");
    end(0);
    await pass(0);
    expect(asked[5]).toBe("has");
  });

  test("callers in the decode queue are rejected if other lookups cannot even begin", async () => {
    let isCrowded = false;
    const { take, asked, pass } = turnsWith({ ...full, isCrowded: () => isCrowded });
    take(1);
    take(1);
    await pass(100);
    expect(asked).toEqual(["has", "waits"]);
    isCrowded = true;
    await pass(50);
    expect(asked).toEqual(["has", "none"]);
  });

  test("a caller leaves the decode queue when its signal is aborted, and does not block the next one", async () => {
    const limit = new AbortController();
    const { turns, take, asked, pass, end } = turnsWith(full);
    take(1);
    take(1, limit.signal);
    take(1);
    await pass(100);
    limit.abort();
    await pass(0);
    expect(asked).toEqual(["has", "none", "waits"]);
    expect(turns.isShort).toBe(false);
    take(1, limit.signal);
    end(0);
    await pass(0);
    expect(asked).toEqual(["has", "none", "has", "none"]);
  });

  test("a caller in the decode queue is admitted if the estimated work decreases", async () => {
    let expectedMs = 500;
    const { take, asked, pass } = turnsWith({ ...full, expectedMs: () => expectedMs });
    take(1);
    take(1);
    await pass(100);
    expectedMs = 100;
    await pass(50);
    expect(asked).toEqual(["has", "has"]);
  });
});

test("the decode queue is not free if the lookups on their way to it would fill it", async () => {
  let coming = 0;
  const { turns, take, pass } = turnsWith({ expectedMs: () => 100, coming: () => coming });
  take(1);
  await pass(0);
  coming = 3;
  expect(turns.isFree).toBe(true);
  coming = 4;
  expect(turns.isFree).toBe(false);
});
