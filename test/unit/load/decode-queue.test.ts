import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import {
  createDecodeQueue,
  decodeQueueLimits,
  type DecodePermit,
  type DecodeQueueOptions,
} from "../../../src/load/decode-queue.ts";

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

  test("a signal that is aborted after its caller got a permit does not remove another caller from the queue", async () => {
    const limit = new AbortController();
    const { turns, take, asked, pass, end } = turnsWith(full);
    take(1);
    take(1, limit.signal);
    take(1);
    await pass(0);
    end(0);
    await pass(0);
    expect(asked).toEqual(["has", "has", "waits"]);
    limit.abort();
    expect(turns.waiting).toBe(1);
    end(1);
    await pass(0);
    expect(asked).toEqual(["has", "has", "has"]);
  });

  test("a caller that leaves the decode queue lets a smaller body behind it be read", async () => {
    const limit = new AbortController();
    const { take, asked, pass } = turnsWith({ arrivalMs: 60_000 });
    for (const bytes of [25, 25, 25, 15]) take(bytes);
    take(20, limit.signal);
    take(10);
    await pass(0);
    expect(asked.slice(4)).toEqual(["waits", "waits"]);
    limit.abort();
    await pass(0);
    expect(asked.slice(4)).toEqual(["none", "has"]);
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

test("the decode queue is not free while bodies wait in it, or fill it", async () => {
  const { turns, take, pass, end } = turnsWith({ arrivalMs: 60_000 });
  for (const bytes of [25, 25, 25, 10]) take(bytes);
  await pass(0);
  expect(turns.isFree).toBe(true);
  take(20);
  expect(turns.isFree).toBe(false);
  end(3);
  await pass(0);
  expect([turns.waiting, turns.isFree]).toEqual([0, true]); // 95 of 100 bytes
  take(5);
  expect(turns.isFree).toBe(false);
});

test("the decode queue has no timer once all its bodies are decoded", async () => {
  const { take, held, pass, end } = turnsWith({ expectedMs: () => 500 });
  for (let index = 0; index < 2; index += 1) take(1);
  await pass(0);
  held[0]!.arrived();
  end(0);
  await pass(0);
  end(1);
  expect(vi.getTimerCount()).toBe(0);
});

describe("by default the decode queue", () => {
  test("holds half a second of work, and does not count a body that takes 250 ms to arrive or a second to decode", async () => {
    const { take, asked, held, pass } = turnsWith({ ...decodeQueueLimits, expectedMs: () => 250 });
    for (let index = 0; index < 3; index += 1) take(1);
    await pass(0);
    expect(asked).toEqual(["has", "has", "waits"]);
    await pass(249);
    expect(asked[2]).toBe("waits");
    held[0]!.arrived();
    await pass(1);
    expect(asked[2]).toBe("has");
    held[2]!.arrived();
    take(1);
    await pass(998);
    expect(asked[3]).toBe("waits");
    await pass(1);
    expect(asked[3]).toBe("has");
  });

  test("rejects a body that waits for more than 5 s, and new ones for another second", async () => {
    const { turns, take, asked, pass } = turnsWith({ ...decodeQueueLimits, expectedMs: () => 500, arrivalMs: 60_000 });
    const limit = new AbortController();
    take(1);
    take(1, limit.signal);
    await pass(49);
    take(1);
    await pass(0);
    limit.abort();
    await pass(5000);
    expect(asked[2]).toBe("waits");
    await pass(1); // the next review, 50 ms after the last one
    expect(asked[2]).toBe("none");
    await pass(999);
    expect(turns.isShort).toBe(true);
    await pass(1);
    expect(turns.isShort).toBe(false);
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
