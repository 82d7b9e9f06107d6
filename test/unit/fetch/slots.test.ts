import { describe, expect, test } from "vitest";
import { createSlots, type Slot, type Slots } from "../../../src/fetch/slots.ts";

const never = new AbortController().signal;

/** Asks, and writes down the name when the slot is there. */
function ask(slots: Slots, host: string, name: string, order: string[], signal = never): Promise<Slot> {
  return slots.take(host, signal).then((slot) => {
    order.push(name);
    return slot;
  });
}

const turn = () => new Promise((resolve) => setImmediate(resolve));

describe("slots", () => {
  test("at most so many are active, and who waits comes in the order of asking", async () => {
    const slots = createSlots({ maxActive: 2, maxActivePerHost: 2, maxWaiting: 16 });
    const order: string[] = [];
    const [one, two] = await Promise.all([ask(slots, "a", "1", order), ask(slots, "b", "2", order)]);
    const three = ask(slots, "c", "3", order);
    const four = ask(slots, "d", "4", order);
    await turn();
    expect([slots.active, slots.waiting, order]).toEqual([2, 2, ["1", "2"]]);
    two.release();
    (await three).release();
    one.release();
    (await four).release();
    expect([slots.active, slots.waiting, order]).toEqual([0, 0, ["1", "2", "3", "4"]]);
  });

  test("a host at its limit does not hold up the hosts behind it", async () => {
    const slots = createSlots({ maxActive: 3, maxActivePerHost: 1, maxWaiting: 16 });
    const order: string[] = [];
    const first = await ask(slots, "a", "a1", order);
    const second = ask(slots, "a", "a2", order);
    await ask(slots, "b", "b1", order);
    expect([order, slots.waiting]).toEqual([["a1", "b1"], 1]);
    first.release();
    await second;
    expect(order).toEqual(["a1", "b1", "a2"]);
  });

  test("a slot that comes free goes to the first who may have it, not to one whose host is full", async () => {
    const slots = createSlots({ maxActive: 2, maxActivePerHost: 1, maxWaiting: 16 });
    const order: string[] = [];
    await ask(slots, "a", "a1", order);
    const other = await ask(slots, "b", "b1", order);
    void ask(slots, "a", "a2", order);
    const third = ask(slots, "c", "c1", order);
    other.release();
    await third;
    expect([order, slots.active, slots.waiting]).toEqual([["a1", "b1", "c1"], 2, 1]);
  });

  test("past the queue it says overloaded at once", async () => {
    const slots = createSlots({ maxActive: 1, maxActivePerHost: 1, maxWaiting: 4 });
    const slot = await slots.take("a", never);
    const waiting = ["b", "c", "d", "e"].map((host) => slots.take(host, never).then((next) => next.release()));
    await expect(slots.take("f", never)).rejects.toMatchObject({ code: "overloaded" });
    slot.release();
    await Promise.all(waiting);
    expect([slots.active, slots.waiting]).toEqual([0, 0]);
  });

  test("one host holds at most a quarter of the queue", async () => {
    const slots = createSlots({ maxActive: 1, maxActivePerHost: 1, maxWaiting: 8 });
    await slots.take("a", never);
    void slots.take("a", never);
    void slots.take("a", never);
    await expect(slots.take("a", never)).rejects.toMatchObject({ code: "overloaded" });
    void slots.take("b", never);
    expect(slots.waiting).toBe(3);
  });

  test("who gives up while waiting leaves the queue", async () => {
    const slots = createSlots({ maxActive: 1, maxActivePerHost: 1, maxWaiting: 8 });
    const slot = await slots.take("a", never);
    const leaver = new AbortController();
    const left = slots.take("b", leaver.signal);
    const order: string[] = [];
    const next = ask(slots, "c", "c", order);
    leaver.abort();
    await expect(left).rejects.toMatchObject({ code: "overloaded" });
    expect(slots.waiting).toBe(1);
    slot.release();
    await next;
    expect(order).toEqual(["c"]);
  });

  test("who has given up before gets none", async () => {
    const slots = createSlots({ maxActive: 1, maxActivePerHost: 1, maxWaiting: 8 });
    await expect(slots.take("a", AbortSignal.abort())).rejects.toMatchObject({ code: "overloaded" });
    expect(slots.active).toBe(0);
  });

  test("giving up after the slot came changes nothing", async () => {
    const slots = createSlots({ maxActive: 1, maxActivePerHost: 1, maxWaiting: 8 });
    const slot = await slots.take("a", never);
    const leaver = new AbortController();
    const waiting = slots.take("b", leaver.signal);
    slot.release();
    const second = await waiting;
    leaver.abort();
    expect([slots.active, slots.waiting]).toEqual([1, 0]);
    second.release();
    expect(slots.active).toBe(0);
  });

  test("a slot is given back once", async () => {
    const slots = createSlots({ maxActive: 2, maxActivePerHost: 2, maxWaiting: 8 });
    const one = await slots.take("a", never);
    await slots.take("a", never);
    one.release();
    one.release();
    expect(slots.active).toBe(1);
  });

  test("without a queue it is taken or refused", async () => {
    const slots = createSlots({ maxActive: 1, maxActivePerHost: 1, maxWaiting: 0 });
    await slots.take("a", never);
    await expect(slots.take("b", never)).rejects.toMatchObject({ code: "overloaded" });
  });

  test("a slot that would have to be waited for is not given to who does not wait", () => {
    const slots = createSlots({ maxActive: 2, maxActivePerHost: 1, maxWaiting: 8 });
    const slot = slots.tryTake("a");
    expect([slot !== null, slots.tryTake("a")]).toEqual([true, null]);
    expect(slots.tryTake("b")).not.toBeNull();
    expect(slots.tryTake("c")).toBeNull();
    slot?.release();
    expect(slots.tryTake("c")).not.toBeNull();
  });
});
