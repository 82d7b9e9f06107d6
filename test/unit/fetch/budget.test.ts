import { expect, test } from "vitest";
import { createByteBudget } from "../../../src/fetch/budget.ts";

const none = new Uint8Array(0);
const megabyte = 1024 ** 2;

test("large bodies leave an eighth of the memory to small ones", () => {
  const budget = createByteBudget(64 * megabyte);
  const large = Array.from({ length: 100 }, () => budget.lend(2 * megabyte, none, 0)).filter((lent) => lent !== null);
  expect(budget.used).toBe(56 * megabyte);
  const small = Array.from({ length: 100 }, () => budget.lend(megabyte, none, 0)).filter((lent) => lent !== null);
  expect(small).toHaveLength(8);
  expect(budget.lend(1, none, 0)).toBeNull();
  for (const lent of [...large, ...small]) budget.giveBack(lent);
  expect(budget.used).toBe(0);
});
