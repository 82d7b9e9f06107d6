import { expect, test } from "vitest";
import { readElement } from "../../../../src/media/formats/ebml.ts";

test.each([1, 2, 3, 4, 5, 6, 7, 8])("an element with its size in %i bytes is read", (length) => {
  const size = Buffer.alloc(length);
  size[0] = 0x80 >> (length - 1);
  size[length - 1]! |= 5;
  const bytes = Buffer.concat([Buffer.of(0xa3), size, Buffer.alloc(9)]);
  expect(readElement(bytes, 0)).toEqual({ id: 0xa3, at: 0, start: 1 + length, end: 1 + length + 5 });
  expect(readElement(bytes.subarray(0, length), 0)).toBeNull(); // cut
});

test.each([
  ["its identifier", [0, 0x81, 1]],
  ["its size", [0xa3, 0, 1]],
])("an element with a length of nine bytes in %s is none", (_, first) => {
  expect(readElement(Buffer.from([...first, ...Buffer.alloc(20)]), 0)).toBeNull(); // RFC 8794 4
});

test.each([
  [1, 0xa3],
  [2, 0x4282],
  [3, 0x2ad7b1],
  [4, 0x1a45dfa3],
  [5, null],
])("an identifier of %i bytes is read if it has four at most", (length, id) => {
  const identifier = Buffer.alloc(length, 0);
  if (id === null) identifier[0] = 0x08;
  else identifier.writeUIntBE(id, 0, length);
  const bytes = Buffer.concat([identifier, Buffer.of(0x81, 7)]);
  expect(readElement(bytes, 0)?.id ?? null).toBe(id); // RFC 8794 11.2.4
});
