import { expect, test, vi } from "vitest";
import type { ByteLender } from "../../../src/domain/byte-budget.ts";
import { createByteBudget } from "../../../src/load/byte-budget.ts";

const none = new Uint8Array(0);
const megabyte = 1024 ** 2;

/** Borrows a number of buffers; returns a failure code for each refused one. */
const borrow = (lender: ByteLender, count: number, bytes: number) =>
  Array.from({ length: count }, () => lender.lend(bytes, none, 0));
const lentOf = (lent: (Uint8Array | string)[]) => lent.filter((each) => typeof each !== "string");

test("large bodies leave an eighth of the memory to small ones", () => {
  const budget = createByteBudget(64 * megabyte);
  const lender = budget.lenderTo(null);
  const large = lentOf(borrow(lender, 100, 2 * megabyte));
  expect(budget.used).toBe(56 * megabyte);
  const small = lentOf(borrow(lender, 100, megabyte));
  expect(small).toHaveLength(8);
  expect(lender.lend(1, none, 0)).toBe("overloaded");
  for (const lent of [...large, ...small]) lender.giveBack(lent);
  expect(budget.used).toBe(0);
});

test("one site leaves half of the memory free, and has a quarter once others need the rest", () => {
  const budget = createByteBudget(64 * megabyte);
  const greedy = borrow(budget.lenderTo("a"), 20, 4 * megabyte);
  expect(lentOf(greedy)).toHaveLength(8);
  expect(greedy.at(-1)).toBe("host_busy");
  const others = createByteBudget(64 * megabyte);
  expect(lentOf(borrow(others.lenderTo("b"), 4, 4 * megabyte))).toHaveLength(4);
  expect(lentOf(borrow(others.lenderTo("c"), 4, 4 * megabyte))).toHaveLength(4);
  const late = borrow(others.lenderTo("a"), 5, 4 * megabyte);
  expect(lentOf(late)).toHaveLength(4);
  expect(late.at(-1)).toBe("host_busy");
});

test("a single large body of a site is always possible, beside any number of its small ones", () => {
  const budget = createByteBudget(64 * megabyte);
  borrow(budget.lenderTo("b"), 3, 8 * megabyte);
  const lender = budget.lenderTo("a");
  borrow(lender, 4, megabyte);
  const half = lender.lend(16 * megabyte, none, 0) as Uint8Array;
  expect(lender.lend(2 * megabyte, none, 0)).toBe("host_busy");
  expect(lender.lend(17 * megabyte, half, 1)).toBe("overloaded"); // the limit of the whole, not of the site
  const roomy = createByteBudget(96 * megabyte).lenderTo("a");
  const grown = roomy.lend(17 * megabyte, roomy.lend(16 * megabyte, none, 0) as Uint8Array, 1);
  expect(grown).toHaveLength(32 * megabyte);
});

test("a site can borrow the memory again that it has given back", () => {
  const lender = createByteBudget(64 * megabyte).lenderTo("a");
  for (let round = 0; round < 3; round += 1) {
    const lent = lentOf(borrow(lender, 20, 8 * megabyte));
    expect(lent).toHaveLength(4);
    for (const each of lent) lender.giveBack(each);
  }
});

test("the operator's own hosts have no site limit", () => {
  const own = createByteBudget(64 * megabyte).lenderTo(null);
  expect(lentOf(borrow(own, 20, 8 * megabyte))).toHaveLength(7);
});

test("buffers that come back are kept for reuse, but only while half of the memory is free", () => {
  const budget = createByteBudget(64 * megabyte);
  const lender = budget.lenderTo(null);
  const lent = lentOf(borrow(lender, 14, 4 * megabyte));
  for (const each of lent.splice(0, 7)) lender.giveBack(each);
  expect(budget).toMatchObject({ used: 28 * megabyte, spare: 4 * megabyte });
  for (const each of lent.splice(0, 6)) lender.giveBack(each);
  expect(budget).toMatchObject({ used: 4 * megabyte, spare: 28 * megabyte });
  borrow(lender, 1, 4 * megabyte);
  expect(budget).toMatchObject({ used: 8 * megabyte, spare: 24 * megabyte });
  borrow(lender, 1, 8 * megabyte);
  expect(budget).toMatchObject({ used: 16 * megabyte, spare: 0 });
});

test("64 MiB at most are kept for reuse, also of a larger budget", () => {
  const budget = createByteBudget(1024 * megabyte);
  const lender = budget.lenderTo(null);
  for (const each of lentOf(borrow(lender, 40, 4 * megabyte))) lender.giveBack(each);
  expect(budget).toMatchObject({ used: 0, spare: 64 * megabyte });
});

test("a service at rest keeps no buffers", () => {
  vi.useFakeTimers();
  try {
    const budget = createByteBudget(64 * megabyte);
    const lender = budget.lenderTo(null);
    for (let round = 0; round < 5; round += 1) {
      for (const lent of lentOf(borrow(lender, 2, megabyte))) lender.giveBack(lent);
      vi.advanceTimersByTime(9_000);
      expect(budget.spare).toBe(2 * megabyte);
    }
    vi.advanceTimersByTime(20_000);
    expect(budget.spare).toBe(0);
    expect(vi.getTimerCount()).toBe(0);
  } finally {
    vi.useRealTimers();
  }
});
