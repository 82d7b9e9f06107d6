import { describe, expect, test, vi } from "vitest";
import type { Validators } from "../../../src/domain/terms.ts";
import { createIncomingBody } from "../../../src/fetch/body.ts";
import {
  createRangeReader,
  isRange,
  type OpenRange,
  type Range,
  rangeHeaders,
  restOf,
} from "../../../src/fetch/ranges.ts";
import { createByteBudget } from "../../../src/load/byte-budget.ts";
import { unmeasured } from "../../support/fetch.ts";

const mebibyte = 1024 ** 2;
const date = "Sat, 28 Nov 2026 00:00:00 GMT";

/** Creates a reader of a file whose ranges have `missing` bytes less than requested. */
function readerOf(declaredBytes: number | null, missing = 0) {
  const budget = createByteBudget(64 * mebibyte);
  const asked: (readonly [from: number, to: number])[] = [];
  const close = vi.fn();
  function ask({ from, to, total }: Range): Promise<OpenRange> {
    asked.push([from, to]);
    expect(total).toBe(declaredBytes);
    const limits = { maxBytes: to - from, headBytes: to - from, declaredBytes: null };
    const meter = unmeasured(new AbortController().signal);
    const body = createIncomingBody({ lender: budget.lenderTo(null), meter, ...limits });
    body.write(new Uint8Array(to - from - missing).fill(7));
    body.end("complete");
    return Promise.resolve({ response: { close }, body });
  }
  return { reader: createRangeReader({ declaredBytes, validators: null, ask }), asked, budget, close };
}

describe("a reader of ranges", () => {
  test.each([
    [0, 10],
    [-1, 10],
    [10, 10],
    [11, 10],
    [99, 101],
  ])("bytes %i to %i of a file of 100 bytes are not requested, and later ranges are", async (from, to) => {
    const { reader, asked } = readerOf(100);
    expect(await reader.read(from, to)).toBeNull();
    expect(asked).toEqual([]);
    expect(await reader.read(1, 100)).toEqual(new Uint8Array(99).fill(7));
    expect(await reader.read(10, 11)).toEqual(Uint8Array.of(7));
    expect(asked).toEqual([
      [1, 100],
      [10, 11],
    ]);
  });

  test("a range has at most 8 MiB", async () => {
    const { reader, asked } = readerOf(100 * mebibyte);
    expect(await reader.read(50 * mebibyte, 58 * mebibyte + 1)).toBeNull();
    expect(await reader.read(50 * mebibyte, 58 * mebibyte)).toHaveLength(8 * mebibyte);
    expect(asked).toHaveLength(1);
  });

  test("no range is requested of a file of unknown length", async () => {
    const { reader, asked } = readerOf(null);
    expect(await reader.read(1, 2)).toBeNull();
    expect(asked).toEqual([]);
  });

  test("a range that is shorter than requested is refused, and none is requested after it", async () => {
    const { reader, asked } = readerOf(100, 1);
    expect(await reader.read(10, 20)).toBeNull();
    expect(await reader.read(30, 40)).toBeNull();
    expect(asked).toEqual([[10, 20]]);
  });

  test("a range with more bytes than requested is refused", async () => {
    const { reader } = readerOf(100, -1);
    expect(await reader.read(10, 20)).toBeNull();
  });

  test.each<[name: string, answer: () => Promise<OpenRange | null>]>([
    ["with something else", () => Promise.resolve(null)],
    ["not at all", () => Promise.reject(new Error("no connection"))],
  ])("a reader whose range request is answered %s returns null, and requests no other range", async (_name, answer) => {
    const ask = vi.fn(answer);
    const reader = createRangeReader({ declaredBytes: 100, validators: null, ask });
    expect([await reader.read(10, 20), await reader.read(30, 40)]).toEqual([null, null]);
    expect(ask).toHaveBeenCalledTimes(1);
    reader.close();
  });

  test("a range is not requested while another one arrives", async () => {
    const { reader, asked } = readerOf(100);
    expect(await Promise.all([reader.read(10, 20), reader.read(30, 40)])).toEqual([new Uint8Array(10).fill(7), null]);
    expect(await reader.read(50, 60)).toHaveLength(10);
    expect(asked).toEqual([
      [10, 20],
      [50, 60],
    ]);
  });

  test("the end of the reader closes the connections of all ranges and frees their memory", async () => {
    const { reader, budget, close } = readerOf(100);
    await reader.read(10, 20);
    await reader.read(30, 40);
    expect(budget.used).toBe(2 * 4096);
    reader.close();
    expect(budget.used).toBe(0);
    expect(close).toHaveBeenCalledTimes(2);
  });
});

const validatorsOf = (etag: string | null, lastModified: string | null): Validators => ({
  etag,
  lastModified,
  urlHash: "0".repeat(64),
});

test("the rest of a body begins behind its beginning and ends with the file", () => {
  const validators = validatorsOf('"1"', null);
  const partial = { bytes: new Uint8Array(40), length: 100, validators, headers: {} };
  expect(restOf(partial)).toEqual({ from: 40, to: 100, total: 100, validators });
});

test.each<[from: number, to: number, validators: Validators | null, headers: Record<string, string>]>([
  [40, 100, null, { range: "bytes=40-" }],
  [40, 99, null, { range: "bytes=40-98" }],
  [40, 41, null, { range: "bytes=40-40" }],
  [40, 100, validatorsOf('"1"', null), { range: "bytes=40-", "if-range": '"1"' }],
  [40, 100, validatorsOf('"1"', date), { range: "bytes=40-", "if-range": '"1"' }],
  [40, 100, validatorsOf('W/"1"', date), { range: "bytes=40-", "if-range": date }],
  [40, 100, validatorsOf(null, date), { range: "bytes=40-", "if-range": date }],
  [40, 100, validatorsOf('W/"1"', null), { range: "bytes=40-" }],
])(
  "the request for bytes %i to %i of 100 with the validators %j has the headers %j",
  (from, to, validators, headers) => {
    expect(rangeHeaders({ from, to, total: 100, validators })).toEqual(headers);
  },
);

const contentRange = "bytes 40-59/100";

test.each<[status: number, headers: Record<string, string>, validators: Validators | null, isExpected: boolean]>([
  [206, { "content-range": contentRange }, null, true],
  [200, { "content-range": contentRange }, null, false],
  [206, {}, null, false],
  [206, { "content-range": "bytes 40-60/100" }, null, false],
  [206, { "content-range": "bytes 40-58/100" }, null, false],
  [206, { "content-range": "bytes 39-59/100" }, null, false],
  [206, { "content-range": "bytes 40-59/101" }, null, false],
  [206, { "content-range": "bytes 40-59/*" }, null, false],
  [206, { "content-range": contentRange, "content-encoding": "gzip" }, null, false],
  [206, { "content-range": contentRange, etag: '"1"' }, null, false],
  [206, { "content-range": contentRange, "last-modified": date }, null, false],
  [206, { "content-range": contentRange, etag: '"1"' }, validatorsOf('"1"', null), true],
  [206, { "content-range": contentRange, etag: '"2"' }, validatorsOf('"1"', null), false],
  [206, { "content-range": contentRange }, validatorsOf('"1"', null), false],
  [206, { "content-range": contentRange, etag: '"1"' }, validatorsOf('"1"', date), true],
  [206, { "content-range": contentRange, etag: '"1"', "last-modified": date }, validatorsOf('"1"', date), true],
  [206, { "content-range": contentRange, etag: '"1"', "last-modified": date }, validatorsOf('"1"', null), false],
  [206, { "content-range": contentRange, "last-modified": date }, validatorsOf(null, date), true],
  [206, { "content-range": contentRange }, validatorsOf(null, date), true],
  [
    206,
    { "content-range": contentRange, "last-modified": "Sat, 28 Nov 2026 00:00:01 GMT" },
    validatorsOf(null, date),
    false,
  ],
])(
  "a response with the status %i and the headers %j is bytes 40 to 60 of the file with the validators %j: %s",
  (status, headers, validators, isExpected) => {
    expect(isRange({ status, headers }, { from: 40, to: 60, total: 100, validators })).toBe(isExpected);
  },
);
