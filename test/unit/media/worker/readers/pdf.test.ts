import { expect, test } from "vitest";
import { reader } from "../../../../../src/media/worker/readers/pdf.ts";
import { pdf } from "../../../../support/media-files.ts";

/** A page of another size, in points. The offsets in the file are wrong then, which is repaired. */
const page = (width: number, height: number) =>
  Buffer.from(pdf().toString("latin1").replace("[0 0 96 64]", `[0 0 ${width} ${height}]`), "latin1");

const measure = (body: Uint8Array) => reader.measure!(body, true);
const sizeOfDrawing = async (body: Uint8Array) => {
  const shown = await reader.show(body);
  if (!shown || !("raster" in shown)) return null;
  const { width, height, rgba } = shown.raster;
  expect(rgba).toHaveLength(4 * width * height);
  return [width, height];
};

test.each([
  [96, 64, [96, 64], [512, 341]],
  [64.4, 95.6, [64, 96], [341, 512]],
  [3000, 2, [3000, 2], [512, 1]],
  [2, 3000, [2, 3000], [1, 512]],
])("a page of %f x %f points is measured, and drawn with a longer side of 512 pixels", async (width, height, size, drawn) => {
  const facts = { width: size[0], height: size[1], animated: null, durationMs: null };
  expect(await measure(page(width, height))).toEqual(facts);
  expect(await sizeOfDrawing(page(width, height))).toEqual(drawn);
}); // prettier-ignore

test("a page is at most 200,000 points long", async () => {
  expect(await measure(page(200_000, 10))).toMatchObject({ width: 200_000, height: 10 });
  expect(await measure(page(10, 200_000))).toMatchObject({ width: 10, height: 200_000 });
  await expect(measure(page(200_001, 10))).rejects.toThrow("a page of no size");
  await expect(measure(page(10, 200_001))).rejects.toThrow("a page of no size");
});

test("a page without a size, a document without a page and other bytes are rejected", async () => {
  await expect(measure(page(0.4, 10))).rejects.toThrow();
  const empty = pdf().toString("latin1").replace("/Kids[3 0 R]/Count 1", "/Kids[]/Count 0     ");
  await expect(measure(Buffer.from(empty, "latin1"))).rejects.toThrow("no page");
  await expect(measure(Buffer.alloc(99, 7))).rejects.toThrow();
});
