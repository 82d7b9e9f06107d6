import { expect, test } from "vitest";
import {
  createHeldTime,
  divideBudget,
  dueAfterMs,
  fitsSlowLane,
  guessMs,
  quickLimitMs,
  readHeadSize,
  selectLane,
} from "../../../../src/media/decode/cost-estimates.ts";
import type { WorkerAnswer } from "../../../../src/media/protocol.ts";
import { formatNamed } from "../../../support/decoder.ts";
import { zeroPng } from "../../../support/bombs.ts";

const mebibyte = 1024 ** 2;
const png = formatNamed("png");
/** The first 64 bytes of a PNG, with its size. */
const pngHead = (side: number) => zeroPng(side, { colour: 2, depth: 8, isInterlaced: false }).subarray(0, 64);

const tooLarge: WorkerAnswer = {
  number: 1,
  width: 9000,
  height: 9000,
  animated: false,
  durationMs: null,
  blurhash: null,
  thumbhash: null,
  thumbnail: null,
  warning: "too_many_pixels",
  expectedBytes: 300 * mebibyte,
  expectedMs: 2000,
  decodeMs: 1,
  hashMs: 0,
  clipBytes: 0,
  container: "mov",
  rotation: 0,
  rssBytes: 1,
};

test("the work budgets of all workers together are the memory budget", () => {
  const { quick, slow } = divideBudget(512 * mebibyte, 4);
  expect(4 * quick.bytes + slow.bytes).toBe(512 * mebibyte);
  expect(slow.bytes).toBe(384 * mebibyte);
});

test("only the quick lane has a limit of the estimated time", () => {
  const { quick, slow } = divideBudget(512 * mebibyte, 4);
  expect([quick.milliseconds, slow.milliseconds]).toEqual([70, Infinity]);
});

test("a body starts in the slow lane if its cost is unpredictable or it is larger than 5 MiB", () => {
  expect(selectLane(5 * mebibyte, false)).toBe("quick");
  expect(selectLane(5 * mebibyte + 1, false)).toBe("slow");
  expect(selectLane(1, true)).toBe("slow");
});

test("a format that a reader decodes has a longer limit in the quick lane, because its library may have to load", () => {
  expect([quickLimitMs(png), quickLimitMs(formatNamed("jxl"))]).toEqual([300, 1000]);
  expect(quickLimitMs(formatNamed("zip"))).toBe(300);
});

test("a picture beyond the quick budget moves to the slow lane if it fits the slow budget", () => {
  const budget = { bytes: 300 * mebibyte, milliseconds: Infinity };
  expect(fitsSlowLane(tooLarge, budget)).toBe(true);
  expect(fitsSlowLane(tooLarge, { ...budget, bytes: 300 * mebibyte - 1 })).toBe(false);
});

test("a picture beyond the quick budget moves to the slow lane also if its size is unknown", () => {
  const budget = { bytes: 300 * mebibyte, milliseconds: Infinity };
  expect(fitsSlowLane({ ...tooLarge, width: null, height: 16383 ** 2 + 1 }, budget)).toBe(true);
  expect(fitsSlowLane({ ...tooLarge, width: 16383 ** 2 + 1, height: null }, budget)).toBe(true);
});

test("a picture that was decoded or that failed does not move to the slow lane", () => {
  const budget = { bytes: 300 * mebibyte, milliseconds: Infinity };
  expect(fitsSlowLane({ ...tooLarge, warning: null }, budget)).toBe(false);
  expect(fitsSlowLane({ ...tooLarge, warning: "decode_failed" }, budget)).toBe(false);
});

test("a picture of more than 16383 x 16383 pixels is too large for the slow lane, also with a small estimate", () => {
  const budget = { bytes: 300 * mebibyte, milliseconds: Infinity };
  expect(fitsSlowLane({ ...tooLarge, width: 16383, height: 16383 }, budget)).toBe(true);
  expect(fitsSlowLane({ ...tooLarge, width: 16384, height: 16383 }, budget)).toBe(false);
});

test("the time of a decode is estimated from the size in the head", () => {
  // 15 ns a pixel and 20 ns a byte, of which there are 64.
  expect(guessMs({ body: pngHead(1000), format: png })).toBeCloseTo(15.00128, 8);
  expect(guessMs({ body: pngHead(2000), format: png })).toBeCloseTo(60.00128, 8);
  expect(guessMs({ body: Buffer.concat([pngHead(1000), Buffer.alloc(999_936)]), format: png })).toBeCloseTo(35, 8);
});

test("the time of a decode is estimated as for one megapixel if the head has no size", () => {
  expect(guessMs({ body: new Uint8Array(100), format: png })).toBeCloseTo(15.002, 8);
});

test("only the first 64 KiB of a body are parsed for its size", () => {
  const segment = (bytes: number) => Buffer.from([0xff, 0xfe, bytes >> 8, bytes & 255, ...Array<number>(bytes - 2).fill(0)]);
  const frame = Buffer.from([0xff, 0xc0, 0, 11, 8, 0, 100, 0, 200, 1, 1, 0x11, 0]); // 200 x 100
  const jpeg = (before: number) => Buffer.concat([Buffer.from([0xff, 0xd8]), segment(before), frame]);
  const last = 64 * 1024 - frame.length - 2 - 2;
  expect(readHeadSize({ body: jpeg(last), format: formatNamed("jpeg") })).toEqual({ width: 200, height: 100 });
  expect(readHeadSize({ body: jpeg(last + 13), format: formatNamed("jpeg") })).toBeNull();
  expect(readHeadSize({ body: jpeg(9), format: formatNamed("zip") })).toBeNull();
}); // prettier-ignore

test("a small picture overtakes a large one that arrived before, but none that arrived 5 s before", () => {
  expect(dueAfterMs(10)).toBe(100);
  expect(dueAfterMs(499)).toBe(4990);
  expect(dueAfterMs(Infinity)).toBe(5000);
});

test("the mean held time is 0 before the first sample, and approaches a constant sample from below", () => {
  const heldTime = createHeldTime();
  expect(heldTime.meanMs).toBe(0);
  heldTime.add(100);
  expect(heldTime.meanMs).toBeCloseTo(10);
  for (let count = 0; count < 100; count += 1) heldTime.add(100);
  expect(heldTime.meanMs).toBeCloseTo(100, 1);
});
