import type { FormatName } from "../../src/media/formats/index.ts";
import { heads, latin1 } from "./heads.ts";

/** Hostile files of about the given length, by name. */
export type WorstCases = Readonly<Record<string, Buffer>>;

/** A start, then repetitions of the unit up to the given length. */
export function fill(start: Buffer | string, unit: Buffer | string, bytes: number): Buffer {
  const [head, one] = [start, unit].map((part) => (typeof part === "string" ? latin1(part) : part)) as [Buffer, Buffer];
  return Buffer.concat([head, Buffer.alloc(Math.max(0, bytes - head.length), one)]);
}

/** For the formats with type and size in a few bytes at fixed offsets. */
export const filled =
  (name: FormatName) =>
  (bytes: number): WorstCases => ({
    zeros: fill(heads[name], "\0", bytes),
    ones: fill(heads[name], "\xff", bytes),
    "the same start again": fill("", heads[name], bytes),
  });

const id3 = latin1("ID3\x03\0\0\0\0\0\0");

/** The same for those that may stand behind an ID3 tag. */
export const repeatedTag = (name: FormatName) => (bytes: number) => ({
  ...filled(name)(bytes),
  "tags without end": fill(id3, id3, bytes),
});
