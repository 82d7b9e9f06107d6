import { setMaxListeners } from "node:events";
import { describe, expect, test } from "vitest";
import { type Limits, type Permit, type Semaphore, wholeKey } from "../../../src/domain/limits.ts";
import { createSemaphore, takeWithin } from "../../../src/load/semaphore.ts";

const never = new AbortController().signal;
setMaxListeners(0, never);

const busyHost = expect.objectContaining({ code: "host_busy" }) as Error;
const overloaded = expect.objectContaining({ code: "overloaded" }) as Error;

interface Settings {
  readonly maxActive: number;
  readonly maxPerHost?: number;
  readonly maxPerSite?: number;
  readonly maxWaiting?: number;
  readonly maxWaitingPerSite?: number;
}

/** Creates a semaphore; hosts are written as `host.site`. */
function slotsWith({ maxPerHost = 100, maxPerSite = 100, ...settings }: Settings) {
  const clock = { ms: 0 };
  const slots = createSemaphore({ maxWaiting: 16, maxWaitingPerSite: 16, now: () => clock.ms, ...settings });
  const limitsOf = (host: string): Limits => [
    { key: `host ${host}`, maxActive: maxPerHost },
    { key: `site ${host.split(".").at(-1)}`, maxActive: maxPerSite },
  ];
  const order: string[] = [];
  /** Takes a slot, and records the host when it is granted. */
  const take = async (host: string, signal = never): Promise<Permit> => {
    const slot = await slots.take(limitsOf(host), signal);
    order.push(host);
    return slot;
  };
  return { slots, take, tryTake: (host: string) => slots.tryTake(limitsOf(host)), limitsOf, order, clock };
}

const turn = () => new Promise((resolve) => setImmediate(resolve));
const counts = ({ active, waiting }: Semaphore) => [active, waiting];

describe("slots", () => {
  test("slots are limited in number, and the lookups of a site are served in FIFO order", async () => {
    const { slots, take, order } = slotsWith({ maxActive: 2 });
    const [one, two] = await Promise.all([take("1.a"), take("2.a")]);
    const three = take("3.a");
    const four = take("4.a");
    await turn();
    expect([counts(slots), order]).toEqual([
      [2, 2],
      ["1.a", "2.a"],
    ]);
    two.release();
    (await three).release();
    one.release();
    (await four).release();
    expect([counts(slots), order]).toEqual([
      [0, 0],
      ["1.a", "2.a", "3.a", "4.a"],
    ]);
  });

  test("a host at its limit does not block the hosts behind it in the queue", async () => {
    const { slots, take, order } = slotsWith({ maxActive: 3, maxPerHost: 1 });
    const first = await take("a");
    const second = take("a");
    await take("b");
    expect([order, slots.waiting]).toEqual([["a", "b"], 1]);
    first.release();
    await second;
    expect(order).toEqual(["a", "b", "a"]);
  });

  test("all hosts of a site together are bounded by the limit of the site", async () => {
    const { slots, take, order } = slotsWith({ maxActive: 10, maxPerHost: 2, maxPerSite: 3 });
    const slot = await take("1.a");
    await take("2.a");
    await take("3.a");
    void take("4.a");
    await take("1.b");
    expect([order, slots.waiting]).toEqual([["1.a", "2.a", "3.a", "1.b"], 1]);
    slot.release();
    await turn();
    expect(order.at(-1)).toBe("4.a");
  });

  test("slots are granted round-robin over sites, however many lookups of one site came first", async () => {
    const { take, order } = slotsWith({ maxActive: 1 });
    let slot = await take("0.a");
    const waiting = ["1.a", "2.a", "3.a", "4.a", "1.b", "2.b", "1.c"].map((host) => take(host));
    for (const expected of ["1.a", "1.b", "1.c", "2.a", "2.b", "3.a", "4.a"]) {
      slot.release();
      await turn();
      expect(order.at(-1)).toBe(expected);
      slot = await waiting[["1.a", "2.a", "3.a", "4.a", "1.b", "2.b", "1.c"].indexOf(expected)]!;
    }
  });

  test("a released slot skips a lookup whose host is at its limit", async () => {
    const { slots, take, order } = slotsWith({ maxActive: 2, maxPerHost: 1 });
    await take("a");
    const other = await take("b");
    void take("a");
    const third = take("c");
    other.release();
    await third;
    expect([order, counts(slots)]).toEqual([
      ["a", "b", "c"],
      [2, 1],
    ]);
  });

  test("a full queue refuses at once: overloaded if all slots are taken, host_busy if the host's are", async () => {
    const { slots, take } = slotsWith({ maxActive: 2, maxPerHost: 1, maxWaiting: 4 });
    const slot = await take("a");
    const waits = take("a");
    await take("b");
    const waiting = ["c", "d", "e"].map((host) => take(host).then((next) => next.release()));
    await expect(take("f")).rejects.toThrow(overloaded);
    await expect(take("b")).rejects.toThrow(busyHost);
    slot.release();
    (await waits).release();
    await Promise.all(waiting);
    expect(slots.waiting).toBe(0);
  });

  test("the number of waiting lookups of one site is bounded", async () => {
    const { slots, take } = slotsWith({ maxActive: 1, maxWaiting: 8, maxWaitingPerSite: 2 });
    await take("1.a");
    void take("2.a");
    void take("3.a");
    await expect(take("4.a")).rejects.toThrow(busyHost);
    void take("1.b");
    expect(slots.waiting).toBe(3);
  });

  test("a full queue evicts the last lookup of the site with the most for a site with fewer", async () => {
    const { slots, take, order } = slotsWith({ maxActive: 1, maxWaiting: 4 });
    const slot = await take("0.a");
    void take("1.a");
    void take("2.a");
    const last = take("3.a");
    void take("1.b");
    const other = take("1.c");
    await expect(last).rejects.toThrow(busyHost);
    await expect(take("4.a")).rejects.toThrow(overloaded); // no site has more waiting than this one
    expect(slots.waiting).toBe(4);
    slot.release();
    await turn();
    expect(order).toEqual(["0.a", "1.a"]);
    void other;
  });

  test("a full queue evicts a lookup of a site with two waiting for a site with none, but not for one with one", async () => {
    const { slots, take } = slotsWith({ maxActive: 1, maxWaiting: 3 });
    await take("0.a");
    void take("1.a");
    const last = take("2.a");
    void take("1.b");
    await expect(take("2.b")).rejects.toThrow(overloaded);
    void take("1.c");
    await expect(last).rejects.toThrow(busyHost);
    expect(slots.waiting).toBe(3);
  });

  test("a site that has left the queue joins it again at the end", async () => {
    const { take, order } = slotsWith({ maxActive: 1 });
    const slot = await take("0.a");
    const leaver = new AbortController();
    const left = take("1.a", leaver.signal);
    const next = take("1.b");
    leaver.abort();
    await expect(left).rejects.toThrow(overloaded);
    void take("2.a");
    slot.release();
    (await next).release();
    await turn();
    expect(order).toEqual(["0.a", "1.b", "2.a"]);
  });

  test("an evicted lookup whose signal is aborted later does not remove another one from the queue", async () => {
    const { slots, take } = slotsWith({ maxActive: 1, maxWaiting: 2 });
    await take("0.a");
    void take("1.a");
    const leaver = new AbortController();
    const evicted = take("2.a", leaver.signal);
    void take("1.b");
    await expect(evicted).rejects.toThrow(busyHost);
    leaver.abort();
    expect(slots.waiting).toBe(2);
  });

  test("an aborted lookup leaves the queue and gets no slot", async () => {
    const { slots, take, order } = slotsWith({ maxActive: 1 });
    const slot = await take("a");
    const leaver = new AbortController();
    const left = take("b", leaver.signal);
    const next = take("c");
    leaver.abort();
    await expect(left).rejects.toThrow(overloaded);
    expect(slots.waiting).toBe(1);
    slot.release();
    await next;
    expect(order).toEqual(["a", "c"]);
  });

  test("a lookup without a slot in time fails as host_busy if only its host is at its limit", async () => {
    const { take } = slotsWith({ maxActive: 5, maxPerHost: 1 });
    await take("a");
    const leaver = new AbortController();
    const left = take("a", leaver.signal);
    leaver.abort();
    await expect(left).rejects.toThrow(busyHost);
  });

  test("a lookup that is already aborted gets no slot", async () => {
    const { slots, take } = slotsWith({ maxActive: 1 });
    await expect(take("a", AbortSignal.abort())).rejects.toThrow(overloaded);
    expect(slots.active).toBe(0);
  });

  test("a slot stays taken if the signal is aborted afterwards", async () => {
    const { slots, take } = slotsWith({ maxActive: 1 });
    const slot = await take("a");
    const leaver = new AbortController();
    const waiting = take("b", leaver.signal);
    slot.release();
    const second = await waiting;
    leaver.abort();
    expect(counts(slots)).toEqual([1, 0]);
    second.release();
    expect(slots.active).toBe(0);
  });

  test("a second release of a slot does nothing", async () => {
    const { slots, take } = slotsWith({ maxActive: 2 });
    const one = await take("a");
    await take("a");
    one.release();
    one.release();
    expect(slots.active).toBe(1);
  });

  test("a semaphore without a queue grants or refuses a slot at once", async () => {
    const { take } = slotsWith({ maxActive: 1, maxWaiting: 0 });
    await take("a");
    await expect(take("b")).rejects.toThrow(overloaded);
  });

  test("tryTake returns null if no slot is free", () => {
    const { tryTake } = slotsWith({ maxActive: 2, maxPerHost: 1 });
    const slot = tryTake("a");
    expect([slot !== null, tryTake("a")]).toEqual([true, null]);
    expect(tryTake("b")).not.toBeNull();
    expect(tryTake("c")).toBeNull();
    slot?.release();
    expect(tryTake("c")).not.toBeNull();
  });

  test("takeWithin waits no longer than its timeout", async () => {
    const { slots, take, limitsOf } = slotsWith({ maxActive: 1 });
    const slot = await take("a");
    expect(await takeWithin(10, slots, limitsOf("b"), never)).toBeNull();
    expect(await takeWithin(60_000, slots, limitsOf("b"), AbortSignal.abort())).toBeNull();
    const waiting = takeWithin(60_000, slots, limitsOf("b"), never);
    slot.release();
    expect(await waiting).not.toBeNull();
    expect(counts(slots)).toEqual([1, 0]);
  });

  test("starved() names the limit that blocks each lookup in the queue, once it has waited long enough", async () => {
    const { slots, take, clock } = slotsWith({ maxActive: 3, maxPerHost: 1, maxPerSite: 2 });
    await take("1.a");
    void take("1.a");
    await take("2.a");
    void take("3.a");
    clock.ms += 300;
    void take("4.a");
    expect(slots.starved(300)).toEqual(new Map(Object.entries({ "host 1.a": 1, "site a": 1 })));
    await take("1.b");
    void take("1.c");
    clock.ms += 300;
    expect(slots.starved(300)).toEqual(new Map(Object.entries({ "host 1.a": 1, "site a": 2, [wholeKey]: 1 })));
  });
});
