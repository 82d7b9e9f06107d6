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

test("large bodies take seven eighths of the memory, and not one buffer more", () => {
  const lender = createByteBudget(256 * megabyte).lenderTo(null);
  expect(lentOf(borrow(lender, 7, 32 * megabyte))).toHaveLength(7);
  expect(lender.lend(2 * megabyte, none, 0)).toBe("overloaded");
  expect(lender.lend(megabyte, none, 0)).toHaveLength(megabyte);
});

test("a loan from the last kept buffer of its size leaves the other sizes for reuse", () => {
  const budget = createByteBudget(16 * megabyte);
  const lender = budget.lenderTo(null);
  for (const each of lentOf([...borrow(lender, 1, 4 * megabyte), ...borrow(lender, 1, 2 * megabyte)])) {
    lender.giveBack(each);
  }
  borrow(lender, 1, 4 * megabyte);
  expect(budget).toMatchObject({ used: 4 * megabyte, spare: 2 * megabyte });
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
  lender.giveBack(lender.lend(1, none, 0) as Uint8Array);
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

test.each([
  { bytes: 0, size: 4096 },
  { bytes: 1, size: 4096 },
  { bytes: 4096, size: 4096 },
  { bytes: 4097, size: 8192 },
  { bytes: 5 * megabyte, size: 8 * megabyte },
])("a loan of $bytes bytes takes $size bytes: the next power of two, at least 4 KiB", ({ bytes, size }) => {
  const budget = createByteBudget(64 * megabyte);
  expect(budget.lenderTo(null).lend(bytes, none, 0)).toHaveLength(size);
  expect(budget.used).toBe(size);
});

test("a larger buffer has the first bytes of the one that it replaces, which is given back", () => {
  const budget = createByteBudget(64 * megabyte);
  const lender = budget.lenderTo("a");
  const small = lender.lend(4096, none, 0) as Uint8Array;
  small.set([1, 2, 3, 4]);
  const large = lender.lend(8192, small, 3) as Uint8Array;
  expect([...large.subarray(0, 5)]).toEqual([1, 2, 3, 0, 0]);
  expect(budget).toMatchObject({ used: 8192, spare: 4096 });
});

test("a body grows into what its smaller buffer leaves of the memory and of the site's share", () => {
  const full = createByteBudget(8 * megabyte);
  const own = full.lenderTo(null);
  const small = own.lend(megabyte, none, 0) as Uint8Array;
  const half = own.lend(4 * megabyte, none, 0) as Uint8Array;
  expect(own.lend(2 * megabyte, small, 0)).toHaveLength(2 * megabyte);
  expect(own.lend(8 * megabyte, half, 0)).toBe("overloaded");

  const shared = createByteBudget(64 * megabyte);
  borrow(shared.lenderTo("b"), 1, 32 * megabyte);
  const lender = shared.lenderTo("a");
  const [first] = borrow(lender, 2, 4 * megabyte);
  expect(lender.lend(9 * megabyte, first as Uint8Array, 0)).toBe("host_busy");
  expect(lender.lend(8 * megabyte, first as Uint8Array, 0)).toHaveLength(8 * megabyte);
});

test("large buffers are those of more than 1 MiB, and small ones never meet the share of their site", () => {
  const budget = createByteBudget(64 * megabyte);
  borrow(budget.lenderTo("b"), 1, 32 * megabyte);
  const lender = budget.lenderTo("a");
  expect(lender.lend(16 * megabyte, none, 0)).toHaveLength(16 * megabyte); // its whole share
  expect(lender.lend(megabyte + 1, none, 0)).toBe("host_busy");
  expect(lentOf(borrow(lender, 16, megabyte))).toHaveLength(16);
  expect(lender.lend(1, none, 0)).toBe("overloaded");
});

test("a site beyond its share still gets small buffers, and no large one", () => {
  const budget = createByteBudget(64 * megabyte);
  const lender = budget.lenderTo("a");
  expect(lentOf(borrow(lender, 3, 8 * megabyte))).toHaveLength(3); // half of the memory was free
  borrow(budget.lenderTo("b"), 1, 16 * megabyte);
  expect(lender.lend(2 * megabyte, none, 0)).toBe("host_busy");
  expect(lender.lend(megabyte, none, 0)).toHaveLength(megabyte);
});

test("memory that a site gives back no longer counts against its share", () => {
  const budget = createByteBudget(64 * megabyte);
  borrow(budget.lenderTo("b"), 1, 32 * megabyte);
  const lender = budget.lenderTo("a");
  for (let round = 0; round < 3; round += 1) {
    const lent = lentOf(borrow(lender, 3, 8 * megabyte));
    expect(lent).toHaveLength(2);
    for (const each of lent) lender.giveBack(each);
  }
});

test("empty buffers change nothing when they are given back", () => {
  const budget = createByteBudget(64 * megabyte);
  const lender = budget.lenderTo("a");
  lender.giveBack(none);
  expect(budget).toMatchObject({ used: 0, spare: 0 });
});

test("the memory of a buffer that is not kept is free at once, and that of kept ones when the service is at rest", () => {
  vi.useFakeTimers();
  try {
    const lender = createByteBudget(4 * megabyte).lenderTo(null);
    const [kept, large] = [...borrow(lender, 1, megabyte), ...borrow(lender, 1, 2 * megabyte)] as Uint8Array[];
    lender.giveBack(large!);
    expect(large!.buffer.byteLength).toBe(0);
    lender.giveBack(kept!);
    expect(kept!.buffer.byteLength).toBe(megabyte);
    vi.advanceTimersByTime(20_000);
    expect(kept!.buffer.byteLength).toBe(0);
    expect(lender.lend(megabyte, none, 0)).toHaveLength(megabyte);
  } finally {
    vi.useRealTimers();
  }
});

test("kept buffers are freed in ten seconds without a loan", () => {
  vi.useFakeTimers();
  try {
    const budget = createByteBudget(64 * megabyte);
    const lender = budget.lenderTo(null);
    lender.giveBack(lender.lend(1, none, 0) as Uint8Array);
    vi.advanceTimersByTime(10_000); // the loan is one of these
    expect(budget.spare).toBe(4096);
    vi.advanceTimersByTime(9_999);
    expect(budget.spare).toBe(4096);
    vi.advanceTimersByTime(1);
    expect(budget.spare).toBe(0);
  } finally {
    vi.useRealTimers();
  }
});
