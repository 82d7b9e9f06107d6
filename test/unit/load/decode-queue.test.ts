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
  /** Whether each has a turn, was turned away, or waits. */
  const asked: ("has" | "none" | "waits")[] = [];
  const held: DecodePermit[] = [];
  const take = (bytes: number, signal = new AbortController().signal) => {
    const at = asked.push("waits") - 1;
    void turns.take(bytes, signal).then((turn) => {
      asked[at] = turn ? "has" : "none";
      if (turn) held[at] = turn;
    });
  };
  /** Lets time pass, and what was promised be told. */
  const pass = (milliseconds: number) => vi.advanceTimersByTimeAsync(milliseconds);
  const end = (at: number) => held[at]![Symbol.dispose]();
  return { turns, take, asked, held, pass, end };
}

describe("turns", () => {
  test("are had at once while little waits for the decoders, then in the order of asking", async () => {
    const { take, asked, pass, end } = turnsWith();
    for (let index = 0; index < 6; index += 1) take(25);
    await pass(0);
    expect(asked).toEqual(["has", "has", "has", "has", "waits", "waits"]);
    end(2);
    await pass(0);
    expect(asked).toEqual(["has", "has", "has", "has", "has", "waits"]);
  });

  test("are for so much work, however few bytes it is", async () => {
    const { take, asked, pass } = turnsWith({ expectedMs: () => 250 });
    for (let index = 0; index < 3; index += 1) take(1);
    await pass(0);
    expect(asked).toEqual(["has", "has", "waits"]);
  });

  test("are had for a large body beside others, and for one whatever is expected of it", async () => {
    const { take, asked, pass } = turnsWith();
    for (let index = 0; index < 5; index += 1) take(1_000_000);
    await pass(0);
    expect(asked).toEqual(["has", "has", "has", "has", "waits"]);
    const slow = turnsWith({ expectedMs: () => 10_000 });
    slow.take(1);
    await slow.pass(0);
    expect(slow.asked).toEqual(["has"]);
  });

  test("of bodies that are slow to come keep nobody waiting, until they are there", async () => {
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

  test("of pictures that take long do not keep others waiting for ever", async () => {
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

describe("who waits for a turn", () => {
  const full = { expectedMs: () => 500, arrivalMs: 60_000 };

  test("gets none after two seconds, and nobody else waits until there is enough for a second", async () => {
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

  test("gets none at once where others could not even begin", async () => {
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

  test("gets none when its time is over, and who is next is not held up by it", async () => {
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

  test("has it too where what it waited for was the work of others", async () => {
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

test("whether there is a turn at once is told with those in mind who are on their way to one", async () => {
  let coming = 0;
  const { turns, take, pass } = turnsWith({ expectedMs: () => 100, coming: () => coming });
  take(1);
  await pass(0);
  coming = 3;
  expect(turns.isFree).toBe(true);
  coming = 4;
  expect(turns.isFree).toBe(false);
});
