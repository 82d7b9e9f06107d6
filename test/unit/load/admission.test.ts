import { setMaxListeners } from "node:events";
import { setImmediate as nextTurn, setTimeout as after } from "node:timers/promises";
import { expect, test, vi } from "vitest";
import { type AdmissionOptions, createAdmission } from "../../../src/load/admission.ts";
import { targetOf } from "../../support/targets.ts";

const mebibyte = 1024 ** 2;
const never = new AbortController().signal;
setMaxListeners(0, never);
const url = targetOf("https://a.example.net/a.jpg");
const other = targetOf("https://b.example.net/a.jpg");
const overloaded = expect.objectContaining({ code: "overloaded" }) as Error;
const hostBusy = expect.objectContaining({ code: "host_busy" }) as Error;

function open(options: Partial<AdmissionOptions> = {}) {
  return createAdmission({
    maxFetches: 64,
    maxWaiting: 8,
    maxFetchBytes: 256 * mebibyte,
    maxBodyBytes: 64 * mebibyte,
    limitsOf: ({ url: { origin } }) => [{ key: origin, maxActive: 60 }],
    decoder: { expectedMs: 0 },
    now: () => performance.now(),
    ...options,
  });
}

/** Creates a controller for the signal of many waits. */
function endOfMany(): AbortController {
  const controller = new AbortController();
  setMaxListeners(0, controller.signal);
  return controller;
}

async function beBusy(): Promise<void> {
  for (const end = performance.now() + 100; performance.now() < end;) await nextTurn();
}

/** Waits for the promises that need no turn of the event loop: no timer runs meanwhile. */
async function settled(): Promise<void> {
  for (let count = 0; count < 10; count += 1) await Promise.resolve();
}

test("a lookup that starts has a transfer, and its slot is free again after the body or at its end", async () => {
  const admission = open();
  const [first, second] = [await admission.admit(url, never), await admission.admit(url, never)];
  expect([admission.active, first.transfer.signal.aborted]).toEqual([2, false]);
  first.releaseSlot();
  first[Symbol.dispose]();
  expect(admission.active).toBe(1);
  second[Symbol.dispose]();
  expect(admission.active).toBe(0);
});

test("a lookup is rejected as host_busy by the limit of its host, and as overloaded by the limit of all fetches", async () => {
  const admission = open({ maxFetches: 2, maxWaiting: 0, limitsOf: () => [{ key: "a host", maxActive: 1 }] });
  await admission.admit(url, never);
  await expect(admission.admit(url, never)).rejects.toEqual(hostBusy);
  const full = open({ maxFetches: 1, maxWaiting: 0 });
  await full.admit(url, never);
  await expect(full.admit(url, never)).rejects.toEqual(overloaded);
});

test("each queue is reported for itself", async () => {
  const admission = open({ maxFetches: 8, decoder: { expectedMs: 1000 } });
  const lookups = await Promise.all(Array.from({ length: 8 }, () => admission.admit(url, never)));
  const end = new AbortController();
  const waits = [
    ...lookups.slice(0, 3).map((lookup) => lookup.enterDecodeQueue("regular", mebibyte)),
    ...lookups.slice(3, 6).map((lookup) => lookup.enterDecodeQueue("unpredictable", mebibyte)),
    admission.admit(url, end.signal).catch(() => null),
  ];
  await nextTurn();
  // One picture at its expected time fills the decode queue; half of the memory has room for two bodies of 64 MiB.
  expect(admission.waiting).toEqual({ fetch: 1, decode: 2, unpredictable: 1 });
  expect(waits).toHaveLength(7);
  end.abort();
  for (const lookup of lookups) lookup[Symbol.dispose]();
});

test("an eighth of the memory waits for decoders: eight photos of 4 MiB with the default", async () => {
  const admission = open();
  const lookups = await Promise.all(Array.from({ length: 10 }, () => admission.admit(url, never)));
  const permits = lookups.map((lookup) => lookup.enterDecodeQueue("regular", 4 * mebibyte));
  expect(admission.waiting.decode).toBe(2);
  for (const permit of permits.slice(0, 8)) (await permit)![Symbol.dispose]();
  expect(admission.waiting.decode).toBe(0);
  for (const lookup of lookups) lookup[Symbol.dispose]();
});

test("a body of unpredictable cost is skipped if its queue is full, and a regular one beside it is read", async () => {
  const admission = open({ maxFetches: 3, maxFetchBytes: 64 * mebibyte }); // room for one, and none may wait
  const [first, second] = [await admission.admit(url, never), await admission.admit(url, never)];
  const permit = await first.enterDecodeQueue("unpredictable", mebibyte);
  expect(permit).not.toBeNull();
  expect(await second.enterDecodeQueue("unpredictable", mebibyte)).toBeNull();
  expect(await second.enterDecodeQueue("regular", mebibyte)).not.toBeNull();
  permit![Symbol.dispose]();
  expect(await second.enterDecodeQueue("unpredictable", mebibyte)).not.toBeNull();
});

test("waiting bodies are skipped at once if a quarter of the queue waits for fetch slots behind them", async () => {
  const admission = open({ maxFetches: 2, decoder: { expectedMs: 1000 } });
  const lookups = [await admission.admit(url, never), await admission.admit(url, never)];
  const [permit, waiting] = lookups.map((lookup) => lookup.enterDecodeQueue("regular", 1));
  (await permit)!.arrived(); // counted for a second from now on, however busy the machine is
  const end = new AbortController();
  const behind = Array.from({ length: 2 }, () => admission.admit(url, end.signal).catch(() => null));
  await after(150);
  expect(admission.waiting.decode).toBe(1); // a quarter, and no more
  behind.push(admission.admit(other, end.signal).catch(() => null));
  expect(await waiting).toBeNull();
  end.abort();
  await Promise.all(behind);
});

test("load shedding rejects lookups only while bodies are skipped and the event loop is busy, and ends with the work", async () => {
  const admission = open({ maxFetches: 2, decoder: { expectedMs: 1000 } });
  const isRejected = () => {
    try {
      admission.shedLoad();
      return false;
    } catch (error) {
      expect(error).toEqual(overloaded);
      return true;
    }
  };
  const [first, second] = [await admission.admit(url, never), await admission.admit(url, never)];
  const permits = [await first.enterDecodeQueue("regular", 1)];
  const waiting = second.enterDecodeQueue("regular", 1);
  await beBusy();
  expect(isRejected()).toBe(false); // the decode queue is full, and has skipped no body
  const end = new AbortController();
  const behind = [url, url, other].map((target) => admission.admit(target, end.signal).catch(() => null));
  permits.push(await waiting);
  expect(permits[1]).toBeNull();
  let rejected = 0;
  while (rejected < 10) {
    permits.push(await first.enterDecodeQueue("regular", 1), await second.enterDecodeQueue("regular", 1));
    expect(permits.at(-1)).toBeNull(); // each skipped body extends the cooldown
    await beBusy();
    if (isRejected()) rejected += 1;
  }
  end.abort();
  await Promise.all(behind);
  for (const permit of permits) permit?.[Symbol.dispose]();
  for (const lookup of [first, second]) lookup[Symbol.dispose]();
  expect(Array.from({ length: 100 }, isRejected)).not.toContain(true);
}, 30_000);

test("while the event loop is busy few lookups start, the others keep their slots, and a head lets the next one start", async () => {
  const admission = open();
  await beBusy();
  const end = new AbortController();
  const started: Awaited<ReturnType<typeof admission.admit>>[] = [];
  const failures: unknown[] = [];
  for (let count = 0; count < 10; count += 1) {
    admission.admit(url, end.signal).then(
      (lookup) => started.push(lookup),
      (error: unknown) => failures.push(error),
    );
  }
  await settled();
  expect([started.length, admission.active]).toEqual([6, 10]);
  await started[0]!.enterDecodeQueue("regular", 1);
  started[1]![Symbol.dispose]();
  await settled();
  expect([started.length, admission.active]).toEqual([8, 9]);
  end.abort();
  await settled();
  expect(failures).toEqual([overloaded, overloaded]);
  for (const lookup of started) lookup[Symbol.dispose]();
  expect(admission.active).toBe(0);
});

test.each([
  { maxWaiting: 40, share: 10 },
  { maxWaiting: 4, share: 1 },
])("one site has $share of $maxWaiting places in the queue for fetch slots", async ({ maxWaiting, share }) => {
  const admission = open({ maxFetches: 1, maxWaiting });
  await admission.admit(url, never);
  const end = endOfMany();
  const waits = Array.from({ length: share }, () => admission.admit(url, end.signal).catch(() => null));
  expect(admission.waiting.fetch).toBe(share);
  await expect(admission.admit(url, end.signal)).rejects.toEqual(hostBusy);
  end.abort();
  await Promise.all(waits);
});

test("one block of addresses has a quarter of the places in the queue for its connections", async () => {
  const { addressSlots } = open({ maxWaiting: 8 });
  const end = endOfMany();
  const take = (block: string) => addressSlots.take([{ key: block, maxActive: 1 }], end.signal);
  await take("192.0.2.0/24");
  const waits = [take("192.0.2.0/24"), take("192.0.2.0/24")].map((wait) => wait.catch(() => null));
  await expect(take("192.0.2.0/24")).rejects.toEqual(hostBusy);
  await expect(take("198.51.100.0/24")).resolves.toBeDefined();
  end.abort();
  await Promise.all(waits);
});

// Rows: fetch slots, memory and largest body in MiB; then bodies that are read at once, and those that wait.
test.each([
  { maxFetches: 64, memory: 4096, body: 64, active: 4, waiting: 8 }, // one slow decoder; half of a quarter of the slots
  { maxFetches: 64, memory: 256, body: 64, active: 2, waiting: 8 }, // half of the memory
  { maxFetches: 64, memory: 256, body: 33, active: 2, waiting: 8 }, // lent as 64 MiB
  { maxFetches: 64, memory: 64, body: 64, active: 1, waiting: 8 }, // always one
  { maxFetches: 12, memory: 64, body: 64, active: 1, waiting: 2 },
  { maxFetches: 8, memory: 64, body: 64, active: 1, waiting: 1 },
  { maxFetches: 4, memory: 64, body: 64, active: 1, waiting: 1 },
])(
  "with $maxFetches slots and $memory MiB, $active bodies of a site and of unpredictable cost are read and $waiting wait",
  async ({ maxFetches, memory, body, active, waiting }) => {
    const admission = open({ maxFetches, maxFetchBytes: memory * mebibyte, maxBodyBytes: body * mebibyte });
    const end = endOfMany();
    const lookup = await admission.admit(url, end.signal);
    const permits: unknown[] = [];
    const enter = () => lookup.enterDecodeQueue("unpredictable", 1).then((permit) => permits.push(permit));
    const entered = Array.from({ length: 20 }, enter);
    await settled();
    expect([permits.filter((permit) => permit !== null).length, admission.waiting.unpredictable]).toEqual([
      active,
      waiting,
    ]);
    end.abort();
    await Promise.all(entered);
    lookup[Symbol.dispose]();
  },
);

test("bodies of unpredictable cost wait on a quarter of the fetch slots, those of one site on half of these", async () => {
  const admission = open({ maxFetches: 16, maxFetchBytes: 64 * mebibyte });
  const end = endOfMany();
  const lookups = [await admission.admit(url, end.signal), await admission.admit(other, end.signal)];
  const waits = lookups.flatMap((lookup) =>
    Array.from({ length: 4 }, () => lookup.enterDecodeQueue("unpredictable", 1)),
  );
  await settled();
  expect(admission.waiting.unpredictable).toBe(4);
  end.abort();
  await Promise.all(waits);
  for (const lookup of lookups) lookup[Symbol.dispose]();
});

test("a body of unpredictable cost is skipped after six seconds in its queue", async ({ onTestFinished }) => {
  vi.useFakeTimers();
  onTestFinished(() => void vi.useRealTimers());
  const admission = open({ maxFetchBytes: 64 * mebibyte });
  const lookup = await admission.admit(url, never);
  await lookup.enterDecodeQueue("unpredictable", 1);
  let permit: unknown = "waits";
  void lookup.enterDecodeQueue("unpredictable", 1).then((result) => (permit = result));
  await vi.advanceTimersByTimeAsync(5999);
  expect(permit).toBe("waits");
  await vi.advanceTimersByTimeAsync(1);
  expect(permit).toBeNull();
  lookup[Symbol.dispose]();
});

test("a lookup that ends leaves no timer behind", async ({ onTestFinished }) => {
  vi.useFakeTimers();
  onTestFinished(() => void vi.useRealTimers());
  const admission = open();
  const before = vi.getTimerCount();
  const lookup = await admission.admit(url, never);
  const permit = await lookup.enterDecodeQueue("regular", 1);
  permit!.arrived();
  expect(vi.getTimerCount()).toBeGreaterThan(before);
  permit![Symbol.dispose]();
  lookup[Symbol.dispose]();
  expect(vi.getTimerCount()).toBe(before);
});

test("the bytes of all transfers are counted", async () => {
  const admission = open();
  using first = await admission.admit(url, never);
  using second = await admission.admit(other, never);
  first.transfer.received(100);
  second.transfer.received(20);
  expect(admission.receivedBytes).toBe(120);
});
