import { describe, expect, test } from "vitest";
import type { Part, ReceivedFile } from "../../../../src/media/formats/plan.ts";
import {
  hasRange,
  missingPreview,
  needMore,
  needNextHeader,
  needPrefix,
  needRange,
  needWhole,
  readRange,
} from "../../../../src/media/formats/received.ts";

const megabyte = 1e6;
const bytes = Uint8Array.from({ length: 100 }, (_, index) => index);
const partOf = (at: number, to: number): Part => ({ at, bytes: bytes.subarray(at, to) });

/** The first bytes of a file of a megabyte. */
function received(prefixBytes: number, options: Partial<ReceivedFile> = {}): ReceivedFile {
  return { prefix: new Uint8Array(prefixBytes), parts: [], length: megabyte, ...options };
}

/** The first 40 bytes of 100, and two parts without a gap between them. */
const file: ReceivedFile = { prefix: bytes.subarray(0, 40), parts: [partOf(60, 70), partOf(70, 90)], length: 100 };

describe("readRange", () => {
  test.each([
    ["in the prefix", 10, 40],
    ["in a part", 62, 68],
    ["in two parts", 65, 90],
    ["of no length", 30, 30],
  ])("the bytes of a range are read if they have arrived: %s", (_, from, to) => {
    expect(hasRange(file, from, to)).toBe(true);
    expect([...readRange(file, from, to)!]).toEqual([...bytes.subarray(from, to)]);
  });

  test.each([
    ["behind the prefix", 30, 41],
    ["between the prefix and a part", 41, 61],
    ["behind the last part", 80, 91],
    ["behind the end of the file", 90, 101],
  ])("the bytes of a range are null if some have not arrived: %s", (_, from, to) => {
    expect(hasRange(file, from, to)).toBe(false);
    expect(readRange(file, from, to)).toBeNull();
  });

  test("the bytes of a range are null if it ends before it begins", () => {
    expect(readRange(file, 30, 20)).toBeNull();
  });

  test("the bytes of a range are joined if the prefix has grown into a part", () => {
    const grown = { ...file, prefix: bytes.subarray(0, 65) };
    expect([...readRange(grown, 50, 75)!]).toEqual([...bytes.subarray(50, 75)]);
  });

  test.each([
    [72, 88],
    [70, 88],
    [72, 90],
    [70, 90],
  ])("the bytes of a range are not copied if they lie in one part: %i to %i of a part from 70 to 90", (from, to) => {
    expect(readRange(file, from, to)!.buffer).toBe(bytes.buffer);
  });
});

test("a prefix is needed exactly as far as it is enough", () => {
  expect(needPrefix(received(1000), 1001)).toEqual({ prefix: 1001 });
});

test.each([
  ["16 KiB", 1000, 1000 + 16 * 1024],
  ["a quarter", 400_000, 500_000],
])("a prefix that is parsed again and again grows by %s at least", (_, prefixBytes, expected) => {
  expect(needMore(received(prefixBytes), prefixBytes + 1)).toEqual({ prefix: expected });
});

test("no need goes past the end of the file, even if its headers claim more bytes", () => {
  const end = { prefix: megabyte };
  expect(needPrefix(received(1000), 2 * megabyte)).toEqual(end);
  expect(needMore(received(1000), 2 * megabyte)).toEqual(end);
  expect(needRange(received(1000), 1000, 2 * megabyte)).toEqual(end);
  expect(needRange(received(1000), 900_000, 2 * megabyte)).toEqual({ from: 900_000, to: megabyte });
});

test("nothing more is needed of a file that has arrived", () => {
  const whole = received(megabyte);
  expect([needPrefix(whole, 1), needMore(whole), needRange(whole, 1, 2 * megabyte), needWhole(whole)]).toEqual([
    null,
    null,
    null,
    null,
  ]);
});

describe("needRange", () => {
  test.each([
    ["the prefix if the gap is small", received(1000), { prefix: 250_100 }],
    ["a range if the gap is small but the body has stalled", received(1000, { isStalled: true }), { from: 250_000, to: 250_100 }], // prettier-ignore
    ["the prefix if the length is unknown: no range can be checked", received(1000, { length: null }), { prefix: 250_100 }], // prettier-ignore
  ])("the missing bytes of a range are needed as %s", (_, some, expected) => {
    expect(needRange(some, 250_000, 250_100)).toEqual(expected);
  });

  test("the missing bytes of a range are needed as a range that begins behind the parts", () => {
    const parts = [{ at: 500_000, bytes: new Uint8Array(1000) }];
    expect(needRange(received(1000, { parts }), 500_000, 502_000)).toEqual({ from: 501_000, to: 502_000 });
  });

  test("after eight parts the whole file is needed: a hostile file cannot cause more requests", () => {
    const parts = Array.from({ length: 8 }, (_, index) => ({ at: 300_000 + 1000 * index, bytes: new Uint8Array(1) }));
    expect(needRange(received(1000, { parts: parts.slice(1) }), 500_000, 500_100)).toHaveProperty("from");
    expect(needRange(received(1000, { parts }), 500_000, 500_100)).toBe("whole");
  });
});

test("headers that are found one by one take few steps: near ones grow the prefix by a quarter", () => {
  expect(needNextHeader(received(400_000), 400_000, 1000)).toEqual({ prefix: 500_000 });
  expect(needNextHeader(received(1000), 400_000, 1000)).toEqual({ from: 400_000, to: 401_000 });
});

test("a preview that no more bytes can show is made of the whole file", () => {
  expect(missingPreview(received(1000), null)).toEqual({ excerpt: null, need: "whole" });
  const whole = received(megabyte);
  expect(missingPreview(whole, null)).toEqual({ excerpt: { bytes: whole.prefix, accuracy: "exact" }, need: null });
});
