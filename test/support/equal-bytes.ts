import { expect } from "vitest";

/** Compares bytes at once. Vitest's own comparison calls a function for each: seconds for a megabyte. */
const areBytesEqual = (one: unknown, other: unknown) =>
  one instanceof Uint8Array && other instanceof Uint8Array ? Buffer.compare(one, other) === 0 : undefined;

// Vitest runs this for each test file, and keeps all testers of a process.
const added = Symbol.for("media-oracle test: compares bytes at once");
if (!Reflect.has(globalThis, added)) {
  Reflect.set(globalThis, added, true);
  expect.addEqualityTesters([areBytesEqual]);
}
