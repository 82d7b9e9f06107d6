import { expect, test } from "vitest";
import { createCachePolicy } from "../../../src/cache/cache-policy.ts";
import { cached } from "../../../src/cache/cached.ts";
import type { Entry } from "../../../src/cache/entry.ts";
import { createKeys } from "../../../src/cache/key.ts";
import { createMemory } from "../../../src/cache/memory.ts";
import type { SharedStore } from "../../../src/cache/shared.ts";
import { type Oracle, startDescription } from "../../../src/domain/description.ts";
import type { Metadata } from "../../../src/domain/metadata.ts";
import { targetOf } from "../../support/targets.ts";
import { termsWith } from "../../support/terms.ts";

const picture = targetOf("https://example.com/a.png");
const minuteMs = 60_000;
const hourMs = 60 * minuteMs;
const dayMs = 24 * hourMs;

const settled = () => new Promise((resolve) => setImmediate(resolve));

/** Creates the store of several replicas, as in test/integration/cache/redis-store.test.ts, but in this process. */
function createStore() {
  const entries = new Map<string, Entry>();
  const locks = new Map<string, (() => void)[]>();
  const replicas: ((key: string) => void)[] = [];
  const open = (): SharedStore => {
    let own: (key: string) => void = () => undefined;
    return {
      get: (key) => Promise.resolve(entries.get(key) ?? null),
      async set(key, entry) {
        await settled(); // a lock that is released too early finds no entry
        entries.set(key, entry);
      },
      async delete(key) {
        await settled();
        entries.delete(key);
        for (const forget of replicas) if (forget !== own) forget(key);
      },
      onInvalidated(listener) {
        own = listener;
        replicas.push(listener);
      },
      async lock(key) {
        const waiting = locks.get(key);
        if (waiting) await new Promise<void>((resolve) => waiting.push(resolve));
        else locks.set(key, []);
        return () => {
          const next = locks.get(key)!.shift();
          if (next) next();
          else locks.delete(key);
        };
      },
    };
  };
  return { entries, locks, open };
}

/** Creates replicas with a common store and a common clock; the test ends their lookups at the origin. */
function startReplicas() {
  const store = createStore();
  const clock = { ms: 1_700_000_000_000 };
  const now = () => clock.ms;
  const limits = { minMs: minuteMs, maxMs: 7 * dayMs, defaultMs: hourMs, failureMs: minuteMs };
  const start = () => {
    const lookups: { end(part?: Partial<Metadata>): Promise<void> }[] = [];
    const pipeline: Oracle = () =>
      startDescription(
        (progress) =>
          new Promise((resolve) => {
            progress.setCacheHeaders(termsWith({}));
            const end = async (part: Partial<Metadata> = {}) => {
              resolve(progress.learn(part));
              for (let turn = 0; turn < 3; turn += 1) await settled(); // and in the store
            };
            lookups.push({ end });
          }),
      );
    const oracle = cached(pipeline, {
      keyOf: createKeys("the settings of the test"),
      memory: createMemory(1024 ** 2),
      shared: store.open(),
      policy: createCachePolicy({ limits, now, random: () => 0.5 }),
      now,
    });
    return { oracle, lookups };
  };
  return { start, clock, store };
}

/** Lets a replica look up the picture, which has 7 bytes, and store the answer. */
async function storePicture({ oracle, lookups }: ReturnType<ReturnType<typeof startReplicas>["start"]>): Promise<void> {
  const description = oracle(picture);
  await settled();
  await lookups[0]!.end({ bytes: 7 });
  await description.done;
}

test("a replica answers from the shared store, and keeps the answer in its memory", async () => {
  const { start } = startReplicas();
  const [one, other] = [start(), start()];
  await storePicture(one);
  const second = other.oracle(picture);
  expect(await second.done).toMatchObject({ bytes: 7 });
  expect(second.cached).toBe("hit");
  expect([other.lookups.length, other.oracle.answeredByShared(), one.oracle.answeredByShared()]).toEqual([0, 1, 0]);
  expect(other.oracle.isCached(picture)).toBe(true);
  await other.oracle(picture).done;
  expect(other.oracle.answeredByShared()).toBe(1);
});

test("of two replicas one asks the origin, and the other gets its result", async () => {
  const { start, store } = startReplicas();
  const [one, other] = [start(), start()];
  const [first, second] = [one.oracle(picture), other.oracle(picture)];
  await settled();
  expect([one.lookups.length, other.lookups.length]).toEqual([1, 0]);
  await one.lookups[0]!.end({ bytes: 7 });
  expect(await first.done).toMatchObject({ bytes: 7 });
  expect(await second.done).toMatchObject({ bytes: 7 });
  expect([first.cached, second.cached, other.lookups.length]).toEqual(["miss", "hit", 0]);
  await settled();
  expect(store.locks.size).toBe(0);
});

test("a stale success of another replica is answered to a caller, and refreshed by its next one", async () => {
  const { start, clock } = startReplicas();
  const [one, other] = [start(), start()];
  await storePicture(one);
  clock.ms += hourMs + minuteMs;
  const stale = other.oracle(picture);
  expect(await stale.done).toMatchObject({ bytes: 7 });
  expect([stale.cached, other.lookups.length, other.oracle.answeredByShared()]).toEqual(["stale", 0, 1]);
  await settled();
  expect(await other.oracle(picture).done).toMatchObject({ bytes: 7 });
  await settled();
  expect(other.lookups).toHaveLength(1);
  await other.lookups[0]!.end({ bytes: 8 });
  expect(await other.oracle(picture).done).toMatchObject({ bytes: 8 });
  expect(other.oracle.answeredByShared()).toBe(1);
});

test("a refresh asks the origin if the newer result of another replica is to be refreshed too", async () => {
  const { start, clock, store } = startReplicas();
  const [one, other] = [start(), start()];
  await storePicture(one);
  await other.oracle(picture).done;
  const [[key, { success }]] = [...store.entries] as [[string, Entry]];
  const { since, freshUntil, staleUntil } = success!;
  const laterMs = 5 * minuteMs;
  const times = { since: since + laterMs, freshUntil: freshUntil + laterMs, staleUntil: staleUntil + laterMs };
  store.entries.set(key, { success: { ...success!, ...times }, setback: null });
  clock.ms += hourMs + laterMs + minuteMs;
  expect(await other.oracle(picture).done).toMatchObject({ bytes: 7 });
  await settled();
  expect(other.lookups).toHaveLength(1);
});

test("a refresh takes the newer result of another replica, and does not count it as an answer", async () => {
  const { start, clock } = startReplicas();
  const [one, other] = [start(), start()];
  for (const { oracle, lookups } of [one, other]) {
    const { done } = oracle(picture);
    await settled();
    await lookups[0]?.end({ bytes: 7 });
    await done;
  }
  clock.ms += hourMs + minuteMs;
  await one.oracle(picture).done;
  await settled();
  await one.lookups[1]!.end({ bytes: 8 });
  expect(await other.oracle(picture).done).toMatchObject({ bytes: 7 });
  await settled();
  const refreshed = other.oracle(picture);
  expect([await refreshed.done, refreshed.cached]).toEqual([expect.objectContaining({ bytes: 8 }), "hit"]);
  expect([other.lookups.length, other.oracle.answeredByShared()]).toEqual([0, 1]);
});

test("isCachedAnywhere copies the entry of another replica into the memory, unless the memory has a newer one", async () => {
  const { start, clock, store } = startReplicas();
  const [one, other] = [start(), start()];
  expect(await other.oracle.isCachedAnywhere(picture)).toBe(false);
  await storePicture(one);
  expect(other.oracle.isCached(picture)).toBe(false);
  expect(await other.oracle.isCachedAnywhere(picture)).toBe(true);
  expect([other.oracle.isCached(picture), other.oracle.isCached(picture, ["type"])]).toEqual([true, true]);
  expect(await other.oracle(picture).done).toMatchObject({ bytes: 7 });

  const [[key, older]] = [...store.entries] as [[string, Entry]];
  clock.ms += 2 * hourMs;
  const later = other.oracle(picture);
  await settled();
  await other.lookups[0]!.end({ bytes: 8 });
  await later.done;
  store.entries.set(key, older);
  expect(await other.oracle.isCachedAnywhere(picture)).toBe(true);
  expect(await other.oracle(picture).done).toMatchObject({ bytes: 8 });
});

test("an older entry in the shared store does not replace the memory's: the origin is asked", async () => {
  const { start, clock, store } = startReplicas();
  const { oracle, lookups } = start();
  const ask = async (bytes: number) => {
    const { done } = oracle(picture);
    await settled();
    await lookups.at(-1)!.end({ bytes });
    await done;
  };
  await ask(7);
  const [[key, older]] = [...store.entries] as [[string, Entry]];
  clock.ms += 2 * hourMs;
  await ask(8);
  store.entries.set(key, older);
  clock.ms += 2 * hourMs;
  await ask(9);
  expect(lookups).toHaveLength(3);
  expect(await oracle(picture).done).toMatchObject({ bytes: 9 });
});

test("a deletion reaches the store and the memory of all replicas", async () => {
  const { start, store } = startReplicas();
  const [one, other] = [start(), start()];
  await storePicture(one);
  await other.oracle(picture).done;
  await one.oracle.invalidate(picture);
  expect([one.oracle.isCached(picture), other.oracle.isCached(picture), store.entries.size]).toEqual([false, false, 0]);
});

test("a lookup in progress at a deletion by another replica is answered, and stored nowhere", async () => {
  const { start, store } = startReplicas();
  const [one, other] = [start(), start()];
  const first = one.oracle(picture);
  await settled();
  await other.oracle.invalidate(picture);
  await one.lookups[0]!.end({ bytes: 7 });
  expect(await first.done).toMatchObject({ bytes: 7 });
  expect(first.kept).toBeNull();
  expect([one.oracle.isCached(picture), store.entries.size]).toEqual([false, 0]);
});

test("an entry that arrives from the store after a deletion is not used", async () => {
  const { start } = startReplicas();
  const [one, other] = [start(), start()];
  await storePicture(one);
  const late = other.oracle(picture); // reads the store
  await other.oracle.invalidate(picture);
  await settled();
  expect([other.lookups.length, other.oracle.isCached(picture)]).toEqual([1, false]);
  await other.lookups[0]!.end({ bytes: 8 });
  expect(await late.done).toMatchObject({ bytes: 8 });
});
