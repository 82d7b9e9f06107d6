import { expect, test } from "vitest";
import type { Entry } from "../../../src/cache/entry.ts";
import { createMemory } from "../../../src/cache/memory.ts";
import { type Metadata, unknownMetadata } from "../../../src/domain/metadata.ts";
import { entryAt, failureAt, keyNumber, pictureMetadata, successAt } from "../../support/entries.ts";

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

test.each([1, 7, 80_001.5])("the limit of the memory may be any number, as a share of a setting is: %d", (maxBytes) => {
  const memory = createMemory(maxBytes);
  memory.set(keyNumber(1), entryAt(0));
  expect(memory.use.success.bytes).toBeLessThanOrEqual(maxBytes);
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

test("an entry is counted with its texts: each once as such and once in its reply, the file name with two bytes a character", () => {
  const bytesOf = (change: Partial<Metadata>, etag: string | null = null) => {
    const memory = createMemory(1024 ** 2);
    const validators = etag === null ? null : { etag, lastModified: null, urlHash: "0".repeat(64) };
    const success = { ...successAt(0, { ...unknownMetadata, ...change }), validators };
    memory.set(keyNumber(1), { success, setback: null });
    return memory.use.success.bytes;
  };
  const least = bytesOf({});
  const text = "a".repeat(100);
  for (const name of ["blurhash", "sha256", "thumbhash", "thumbnail"] as const) {
    expect([name, bytesOf({ [name]: text }) - least]).toEqual([name, 200]);
  }
  expect(bytesOf({ filename: text }) - least).toBe(400);
  expect(bytesOf({}, text) - least).toBe(100);
  expect(bytesOf({ filename: "a".repeat(1000) }) - bytesOf({ filename: "a".repeat(500) })).toBe(1000); // no long reply is kept
});

test("a longer key takes as many bytes more", () => {
  const bytesOf = (key: string) => {
    const memory = createMemory(1024 ** 2);
    memory.set(key, entryAt(0));
    return memory.use.success.bytes;
  };
  expect(bytesOf("k".repeat(50)) - bytesOf("k".repeat(40))).toBe(10);
});

test("a failure beside a success takes as many bytes as a success beside a failure", () => {
  const memory = createMemory(1024 ** 2);
  const used = () => memory.use.success.bytes + memory.use.failure.bytes;
  const bytesOf = (entry: Entry) => {
    const before = used();
    memory.set(keyNumber(1), entry);
    const bytes = used() - before;
    memory.delete(keyNumber(1));
    return bytes;
  };
  const success = { ...successAt(0), validators: null };
  const incomplete = { ...failureAt(0), outcome: { metadata: pictureMetadata } };
  const [alone, both] = [bytesOf({ success, setback: null }), bytesOf({ success, setback: incomplete })];
  expect(bytesOf({ success: null, setback: incomplete })).toBe(alone);
  expect(both).toBeGreaterThan(alone);
  expect(both).toBeLessThan(2 * alone);
  expect(bytesOf({ success, setback: failureAt(0) })).toBeGreaterThan(alone);
  expect(bytesOf({ success: null, setback: failureAt(0) })).toBeLessThan(alone);
});

test("a key is found and deleted whether its entry has a success or only a failure, and each entry is listed once", () => {
  const memory = createMemory(1024 ** 2);
  const dead = { success: null, setback: failureAt(0) };
  const [one, two] = [keyNumber(1), keyNumber(2)];
  memory.set(one, dead);
  memory.set(two, entryAt(0));
  expect([memory.get(one), memory.get(two)]).toEqual([dead, entryAt(0)]);
  memory.set(one, entryAt(1));
  memory.set(two, dead);
  expect([...memory.entries()]).toEqual([
    [one, entryAt(1)],
    [two, dead],
  ]);
  memory.delete(one);
  memory.delete(two);
  expect([...memory.entries()]).toEqual([]);
  expect([memory.get(one), memory.get(two)]).toEqual([undefined, undefined]);
});
