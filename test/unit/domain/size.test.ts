import { expect, test } from "vitest";
import { createDurationMs, createSize, isDurationMs, isSide } from "../../../src/domain/size.ts";

const largest = 2_147_483_647;

test("a width or height is an integer from 1 to 2147483647", () => {
  for (const side of [1, 2, largest]) expect(isSide(side)).toBe(true);
  for (const other of [0, -1, 1.5, largest + 1, NaN, Infinity, "1", null]) expect(isSide(other)).toBe(false);
});

test("a size needs a valid width and a valid height", () => {
  expect(createSize(1, largest)).toEqual({ width: 1, height: largest });
  expect(createSize(0, 1)).toBeNull();
  expect(createSize(1, 0)).toBeNull();
});

const yearMs = 31_536_000_000;

test("a duration is a whole number of milliseconds from 0 to a year", () => {
  for (const duration of [0, 1, yearMs]) expect(isDurationMs(duration)).toBe(true);
  for (const other of [-1, 0.5, yearMs + 1, NaN, Infinity, "1", null]) expect(isDurationMs(other)).toBe(false);
});

test("a duration is rounded to milliseconds, and null if it is out of range", () => {
  expect(createDurationMs(1.5)).toBe(2);
  expect(createDurationMs(yearMs + 0.4)).toBe(yearMs);
  for (const wrong of [-1, yearMs + 1, NaN, Infinity]) expect(createDurationMs(wrong)).toBeNull();
});
