/** Width and height in pixels, as displayed: integers from 1 to {@link maxSide}. Made by {@link createSize} alone. */
export interface Size {
  readonly width: number;
  readonly height: number;
}

/** Largest width or height: what a signed 32-bit integer holds, and what PNG allows (W3C PNG 3, 7.1). */
export const maxSide = 2 ** 31 - 1;

/** Longest duration: a year. Headers may declare times that no file has. */
export const maxDurationMs = 365 * 86_400_000;

/** Whether an untrusted value is a width or a height. */
export function isSide(value: unknown): value is number {
  return Number.isInteger(value) && (value as number) >= 1 && (value as number) <= maxSide;
}

/** Whether the value is a duration in milliseconds. */
export function isDurationMs(value: unknown): value is number {
  return Number.isInteger(value) && (value as number) >= 0 && (value as number) <= maxDurationMs;
}

/** Rounds to whole milliseconds. @returns null if that is not a duration from 0 to {@link maxDurationMs}, NaN and infinity included */
export function createDurationMs(milliseconds: number): number | null {
  const rounded = Math.round(milliseconds);
  return isDurationMs(rounded) ? rounded : null;
}

/** @returns null if either side is not an integer from 1 to {@link maxSide}: hostile headers declare anything */
export function createSize(width: number, height: number): Size | null {
  return isSide(width) && isSide(height) ? { width, height } : null;
}
