import { expect, test } from "vitest";
import { memoizeAsync } from "../../../src/cache/memoize.ts";

interface Result {
  readonly call: number;
  readonly isFinal: boolean;
}

/** Memoizes a function that counts its calls. */
function createWork(maxBytes = 100_000) {
  const memoized = memoizeAsync<Result>({ maxBytes, isFinal: ({ isFinal }) => isFinal });
  let calls = 0;
  const run = (key: string, isFinal = true) =>
    memoized(key, async () => {
      calls += 1;
      await new Promise((resolve) => setImmediate(resolve));
      return { call: calls, isFinal };
    });
  return { memoized, run, calls: () => calls };
}

test("concurrent and later calls with the same key share one result", async () => {
  const { run, calls } = createWork();
  const together = await Promise.all([run("a"), run("a"), run("b")]);
  expect(together.map(({ isOwn }) => isOwn)).toEqual([true, false, true]);
  expect(together[1].result).toBe(together[0].result);
  expect(await run("a")).toEqual({ result: together[0].result, isOwn: false });
  expect(calls()).toBe(2);
});

test("a result that is not final is not kept", async () => {
  const { run, calls } = createWork();
  await run("a", false);
  expect((await run("a")).isOwn).toBe(true);
  expect(calls()).toBe(2);
});

test("concurrent calls share a rejection, and later calls try again", async () => {
  const { memoized, run } = createWork();
  const broken = () => memoized("a", () => Promise.reject(new Error("broken")));
  const results = await Promise.allSettled([broken(), broken()]);
  expect(results.map(({ status }) => status)).toEqual(["rejected", "rejected"]);
  expect((await run("a")).isOwn).toBe(true);
});

test("the least recently used results are evicted", async () => {
  const { run, calls } = createWork(4000);
  for (let key = 0; key < 100; key += 1) await run(String(key));
  expect((await run("99")).isOwn).toBe(false);
  expect((await run("0")).isOwn).toBe(true);
  expect(calls()).toBe(101);
});

test("a result counts for 450 bytes and its texts", async () => {
  const memoized = memoizeAsync<{ readonly text: string }>({ maxBytes: 1000, isFinal: () => true });
  const keeps = async (length: number) => {
    const run = (key: string) => memoized(key, () => Promise.resolve({ text: "a".repeat(length) }));
    await run(`first of ${length}`);
    await run(`second of ${length}`);
    return !(await run(`first of ${length}`)).isOwn;
  };
  expect([await keeps(50), await keeps(51)]).toEqual([true, false]);
});

test("without any memory each call does the work", async () => {
  const { run, calls } = createWork(0);
  await run("a");
  await run("a");
  expect(calls()).toBe(2);
});
