import { describe, expect, test } from "vitest";
import { pngPlan } from "../../../../../src/media/formats/plans/png.ts";
import { png } from "../../../../support/heads.ts";
import { apng, pngChunksOf } from "../../../../support/plan-files.ts";
import { arrivalOf, follow } from "../../../../support/read-plans.ts";
import { uint } from "../../../../support/worst-cases.ts";

const header = Buffer.from([0, 0, 0, 90, 0, 0, 0, 60, 8, 2, 0, 0, 0]);
const control = (frames: number) => Buffer.concat([uint(4, frames), uint(4, 0)]);

test.each([
  ["two frames", [["acTL", control(2)]], true],
  ["one frame", [["acTL", control(1)]], false],
  ["no frames", [["acTL", control(0)]], false],
  ["no animation control", [], false],
] as const)("a PNG with %s is animated, or not, at its first image data", (_, chunks, animated) => {
  const file = png(["IHDR", header], ...chunks.map(([type, content]): [string, Buffer] => [type, content]), ["IDAT", Buffer.alloc(99)]); // prettier-ignore
  const image = file.indexOf("IDAT") + 4;
  expect(pngPlan.facts(arrivalOf(file, image - 1)).known).toEqual({});
  expect(pngPlan.facts(arrivalOf(file, image))).toEqual({
    known: { width: 90, height: 60, animated },
    measurable: null,
    need: null,
  });
});

test("an animation control behind the image data makes no animation", () => {
  const file = png(["IHDR", header], ["IDAT", Buffer.alloc(9)], ["acTL", control(2)]);
  expect(pngPlan.facts(arrivalOf(file, file.length)).known).toMatchObject({ animated: false });
});

test("a long profile before the image data is read in one step", () => {
  const file = png(["IHDR", header], ["iCCP", Buffer.alloc(500_000)], ["IDAT", Buffer.alloc(100_000)]);
  const steps = follow(pngPlan.facts, file);
  expect(steps).toHaveLength(2);
  expect(steps.at(-1)!.arrival.readBytes).toBe(file.indexOf("IDAT") + 4);
});

describe("the preview of an animated PNG", () => {
  test("is its default image, a PNG of its own, and no more is read", async () => {
    const file = await apng(3);
    const chunks = pngChunksOf(file);
    const { step, arrival } = follow(pngPlan.preview, file, arrivalOf(file, 1000)).at(-1)!;
    expect(arrival.readBytes).toBeLessThan(0.75 * file.length);
    const excerpt = pngChunksOf(Buffer.from(step.excerpt!.bytes));
    expect(excerpt).toEqual([...chunks.slice(0, 5), chunks.at(-1)]);
    expect(Buffer.from(step.excerpt!.bytes).subarray(-12)).toEqual(file.subarray(-12));
  });

  test("a still PNG is read whole", () => {
    const file = png(["IHDR", header], ["IDAT", Buffer.alloc(40_000)], ["tEXt", Buffer.alloc(40_000)]);
    expect(pngPlan.preview(arrivalOf(file, 50_000))).toEqual({ excerpt: null, need: "whole" });
  });

  test("more image chunks than any encoder writes make it read whole", () => {
    const empty = Array.from({ length: 70_000 }, (): [string, Buffer] => ["IDAT", Buffer.alloc(0)]);
    const file = png(["IHDR", header], ["acTL", control(2)], ...empty, ["fcTL", Buffer.alloc(26)]);
    expect(pngPlan.preview(arrivalOf(file, file.length - 1))).toEqual({ excerpt: null, need: "whole" });
  });
});
