import type { Input } from "mediabunny";
import { expect, test } from "vitest";
import { guardResync } from "../../../../../src/media/worker/readers/resync-guard.ts";

/** The reader of a file of so many bytes; null if unknown. Each request gets its own arguments, or null from the guard. */
async function guarded(fileSizeNonStrict: number | null) {
  let isOpen = false;
  const reader = {
    fileSizeNonStrict,
    requestSliceRange(...request: readonly [start: number, minLength: number, maxLength: number]): unknown {
      return this === reader && isOpen ? request : "not open";
    },
  };
  const getFormat = () => Promise.resolve((isOpen = true));
  await guardResync({ getFormat, _reader: reader } as unknown as Input);
  const request = (start: number, minLength: number, maxLength: number) =>
    reader.requestSliceRange(start, minLength, maxLength);
  return { read: (start: number) => request(start, 2, 16), search: (start: number, bytes = 64) => request(start, 0, bytes) };
} // prettier-ignore

test("a search for the next element gets no bytes if at most eight are left in its window", async () => {
  const { search } = await guarded(1000);
  expect(search(100, 8)).toBeNull();
  expect(search(100, 9)).toEqual([100, 0, 9]);
});

test("a search for the next element gets no bytes if at most eight are left in the file", async () => {
  const { search } = await guarded(1000);
  expect(search(992)).toBeNull();
  expect(search(991)).toEqual([991, 0, 64]);
});

test("a search in a file of unknown length gets its bytes", async () => {
  const { search } = await guarded(null);
  expect(search(0)).toEqual([0, 0, 64]);
});

test("a search that begins where the last one began gets no bytes: it found nothing that can be read", async () => {
  const { read, search } = await guarded(1000);
  expect(search(0)).toEqual([0, 0, 64]);
  expect(search(0)).toBeNull();
  expect(search(10)).toEqual([10, 0, 64]);
  expect(read(10)).toEqual([10, 2, 16]); // the header of the element found there
  expect(search(10)).toBeNull();
});

test("a search may begin again where the last one began once other bytes have been read", async () => {
  const { read, search } = await guarded(1000);
  expect(search(10)).toEqual([10, 0, 64]);
  expect(read(30)).toEqual([30, 2, 16]);
  expect(search(10)).toEqual([10, 0, 64]);
});

test("a header is read also at the end of the file", async () => {
  const { read } = await guarded(1000);
  expect(read(998)).toEqual([998, 2, 16]);
});
