import { expect, test } from "vitest";
import { createMemory } from "../../../src/cache/memory.ts";
import { entryAt, failureAt, keyNumber } from "../../support/entries.ts";

test("the memory counts entries, estimated bytes and evictions, but no replaced or deleted entry as evicted", () => {
  const memory = createMemory(80_000);
  const failure = { success: null, setback: failureAt(0) };
  for (let key = 0; key < 100; key += 1) memory.set(keyNumber(key), entryAt(0));
  memory.set(keyNumber(99), entryAt(1));
  memory.delete(keyNumber(98));
  memory.set("dead", failure);
  const { success, failure: dead } = memory.use;
  expect(success.entries + success.evictions + 1).toBe(100); // and the deleted one
  expect(success.entries).toBeGreaterThan(1);
  expect(success.bytes).toBeLessThanOrEqual(70_000);
  expect(success.bytes / success.entries).toBeGreaterThan(2000);
  expect(dead).toEqual({ entries: 1, bytes: expect.any(Number), evictions: 0 });
  expect(dead.bytes).toBeGreaterThan(0);
});

test("a flood of failures takes an eighth of the memory, and evicts no success", () => {
  const memory = createMemory(80_000);
  for (let key = 0; key < 10; key += 1) memory.set(keyNumber(key), entryAt(0));
  const { success } = memory.use;
  for (let key = 10; key < 1000; key += 1) memory.set(keyNumber(key), { success: null, setback: failureAt(0) });
  const { failure } = memory.use;
  expect(memory.use.success).toEqual(success);
  expect(failure.evictions).toBe(990 - failure.entries);
  expect(failure.entries).toBeGreaterThan(1);
  expect(failure.bytes).toBeLessThanOrEqual(10_000);
});
