import { expect, test } from "vitest";
import { memoizeAsync } from "../../../src/cache/memoize.ts";

interface Result {
  readonly seen: number;
  readonly isWhole: boolean;
}

/** Counts how often the work is done. */
function startWork(maxBytes = 100_000) {
  const once = memoizeAsync<Result>({ maxBytes, isFinal: ({ isWhole }) => isWhole });
  let seen = 0;
  const look = (key: string, isWhole = true) =>
    once(key, async () => {
      seen += 1;
      await new Promise((resolve) => setImmediate(resolve));
      return { seen, isWhole };
    });
  return { once, look, done: () => seen };
}

test("the same is done once, for those who come meanwhile and for those who come later", async () => {
  const { look, done } = startWork();
  const together = await Promise.all([look("a"), look("a"), look("b")]);
  expect(together.map(({ isOwn }) => isOwn)).toEqual([true, false, true]);
  expect(together[1].result).toBe(together[0].result);
  expect(await look("a")).toEqual({ result: together[0].result, isOwn: false });
  expect(done()).toBe(2);
});

test("what may come out otherwise the next time is not kept", async () => {
  const { look, done } = startWork();
  await look("a", false);
  expect((await look("a")).isOwn).toBe(true);
  expect(done()).toBe(2);
});

test("a rejection is had by those who waited for it, and by nobody later", async () => {
  const { once, look } = startWork();
  const broken = () => once("a", () => Promise.reject(new Error("broken")));
  const results = await Promise.allSettled([broken(), broken()]);
  expect(results.map(({ status }) => status)).toEqual(["rejected", "rejected"]);
  expect((await look("a")).isOwn).toBe(true);
});

test("only so much is kept", async () => {
  const { look, done } = startWork(4000);
  for (let key = 0; key < 100; key += 1) await look(String(key));
  expect((await look("99")).isOwn).toBe(false);
  expect((await look("0")).isOwn).toBe(true);
  expect(done()).toBe(101);
});
