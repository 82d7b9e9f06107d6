import fc from "fast-check";
import { expect, test } from "vitest";
import { createWorkBudget } from "../../../../src/media/formats/bytes.ts";
import { isSideways as readOrientation } from "../../../../src/media/formats/exif.ts";

const isSideways = (data: Uint8Array) => readOrientation(data, createWorkBudget());

/** A directory with one entry, in either byte order. */
function exif(order: "II" | "MM", [tag, type, count, value]: readonly [number, number, number, number], directory = 8) {
  const bytes = Buffer.alloc(directory + 14);
  const isLittle = order === "II";
  const [put16, put32] = isLittle
    ? [bytes.writeUInt16LE.bind(bytes), bytes.writeUInt32LE.bind(bytes)]
    : [bytes.writeUInt16BE.bind(bytes), bytes.writeUInt32BE.bind(bytes)];
  bytes.write(order, "latin1");
  put16(42, 2);
  put32(directory, 4);
  put16(1, directory);
  put16(tag, directory + 2);
  put16(type, directory + 4);
  put32(count, directory + 6);
  put16(value, directory + 10);
  return bytes;
}

const orientation = 0x0112;
const short = 3;

test.each(["II", "MM"] as const)("orientations 5 to 8 lay a picture on its side, in byte order %s", (order) => {
  const told = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9].map((value) => isSideways(exif(order, [orientation, short, 1, value])));
  expect(told).toEqual([false, false, false, false, false, true, true, true, true, false]);
});

test("the EXIF directory may have any offset, and may lack an orientation", () => {
  expect(isSideways(exif("MM", [orientation, short, 1, 6], 100))).toBe(true);
  expect(isSideways(exif("II", [0x010f, short, 1, 6]))).toBe(false);
});

test.each([
  ["nothing", Buffer.alloc(0)],
  ["no byte order", Buffer.from("XX*\0")],
  ["an orientation of another type", exif("II", [orientation, 4, 1, 6])],
  ["two orientations in one", exif("II", [orientation, short, 2, 6])],
  ["a directory that is cut off", exif("II", [orientation, short, 1, 6]).subarray(0, -1)],
  ["a directory inside the header", exif("II", [orientation, short, 1, 6]).fill(0, 4, 8)],
])("the EXIF orientation is unknown: %s", (_, data) => {
  expect(isSideways(data)).toBeNull();
});

test("the EXIF parser never throws", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 64 }), (tail) => void isSideways(Buffer.from([0x49, 0x49, 42, 0, ...tail]))),
  );
});
