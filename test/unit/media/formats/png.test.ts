import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { mediaType, sniff } from "../../../../src/media/formats/sniff.ts";
import { withoutTexts } from "../../../../src/media/formats/png.ts";
import { pngChunk, zeroPng } from "../../../support/bombs.ts";
import { png } from "../../../support/heads.ts";
import { apng, pngChunksOf } from "../../../support/plan-files.ts";
import { arrivalOf, follow } from "../../../support/read-plans.ts";
import { planNamed } from "../../../support/plans.ts";
import { uint } from "../../../support/worst-cases.ts";

const plan = planNamed("png");

const header = Buffer.from([0, 0, 0, 90, 0, 0, 0, 60, 8, 2, 0, 0, 0]);
const control = (frames: number) => Buffer.concat([uint(4, frames), uint(4, 0)]);

test.each([
  ["two frames", [["acTL", control(2)]], { animated: true, type: "image/apng" }],
  ["one frame", [["acTL", control(1)]], { animated: false, type: "image/apng" }],
  ["no frames", [["acTL", control(0)]], { animated: false, type: "image/apng" }],
  ["no animation control", [], { animated: false }],
] as const)("a PNG with %s is animated, or not, at its first image data", (_, chunks, facts) => {
  const file = png(["IHDR", header], ...chunks.map(([type, content]): [string, Buffer] => [type, content]), ["IDAT", Buffer.alloc(99)]); // prettier-ignore
  const image = file.indexOf("IDAT") + 4;
  expect(plan.facts(arrivalOf(file, image - 1)).known).not.toHaveProperty("animated");
  expect(plan.facts(arrivalOf(file, image))).toEqual({
    known: { width: 90, height: 60, ...facts },
    measurable: null,
    need: null,
  });
});

test("an animation control behind 20 kB of text is found, and makes the type more specific", () => {
  const file = png(
    ["IHDR", header],
    ["tEXt", Buffer.alloc(20_000, "a")],
    ["acTL", control(2)],
    ["IDAT", Buffer.alloc(99)],
  );
  const format = sniff(file)!;
  expect(format.name).toBe("png");
  expect(follow(format.plan.facts, file).at(-1)!.step.known).toMatchObject({ type: "image/apng", animated: true });
  for (const declared of ["image/png", "image/apng"])
    expect(mediaType(format, declared)).toEqual({ type: "image/png", mismatch: false });
});

test("an animation control behind the image data makes no animation", () => {
  const file = png(["IHDR", header], ["IDAT", Buffer.alloc(9)], ["acTL", control(2)]);
  expect(plan.facts(arrivalOf(file, file.length)).known).toMatchObject({ animated: false });
});

test("a long profile before the image data is read in one step", () => {
  const file = png(["IHDR", header], ["iCCP", Buffer.alloc(500_000)], ["IDAT", Buffer.alloc(100_000)]);
  const steps = follow(plan.facts, file);
  expect(steps).toHaveLength(2);
  expect(steps.at(-1)!.arrival.readBytes).toBe(file.indexOf("IDAT") + 4);
});

describe("the preview of an animated PNG", () => {
  test("is its default image, a PNG of its own, and no more is read", async () => {
    const file = await apng(3);
    const chunks = pngChunksOf(file);
    const { step, arrival } = follow(plan.preview, file, arrivalOf(file, 1000)).at(-1)!;
    expect(arrival.readBytes).toBeLessThan(0.75 * file.length);
    const excerpt = pngChunksOf(Buffer.from(step.excerpt!.bytes));
    expect(excerpt).toEqual([...chunks.slice(0, 5), chunks.at(-1)]);
    expect(Buffer.from(step.excerpt!.bytes).subarray(-12)).toEqual(file.subarray(-12));
  });

  test("a still PNG is read whole", () => {
    const file = png(["IHDR", header], ["IDAT", Buffer.alloc(40_000)], ["tEXt", Buffer.alloc(40_000)]);
    expect(plan.preview(arrivalOf(file, 50_000))).toEqual({ excerpt: null, need: "whole" });
  });

  test("more image chunks than any encoder writes make it read whole", () => {
    const empty = Array.from({ length: 70_000 }, (): [string, Buffer] => ["IDAT", Buffer.alloc(0)]);
    const file = png(["IHDR", header], ["acTL", control(2)], ...empty, ["fcTL", Buffer.alloc(26)]);
    expect(plan.preview(arrivalOf(file, file.length - 1))).toEqual({ excerpt: null, need: "whole" });
  });
});

const options = { colour: 2, depth: 8 } as const;
const text = (type: string) => pngChunk(type, Buffer.from("a\0\0whatever"));

test("only the text chunks of a PNG are stripped", () => {
  const extra = [text("tEXt"), text("gAMA"), text("zTXt"), text("iTXt"), text("eXIf")];
  const left = withoutTexts(zeroPng(8, { ...options, extra }));
  expect(Buffer.from(left)).toEqual(zeroPng(8, { ...options, extra: [text("gAMA"), text("eXIf")] }));
});

test("text chunks after the pixels of a PNG are stripped too", () => {
  const file = zeroPng(8, options);
  expect(Buffer.from(withoutTexts(Buffer.concat([file, text("zTXt")])))).toEqual(file);
});

test("a truncated PNG stays truncated when its texts are stripped", () => {
  const file = zeroPng(8, options);
  expect(Buffer.from(withoutTexts(file.subarray(0, -20)))).toEqual(zeroPng(8, options).subarray(0, -20));
});

test("stripping the texts of a PNG never throws, drops no other chunk and never adds bytes", () => {
  const signature = zeroPng(1, options).subarray(0, 8);
  const chunk = fc.tuple(fc.constantFrom("tEXt", "IDAT", "zTXt"), fc.uint8Array({ maxLength: 40 }));
  fc.assert(
    fc.property(fc.array(chunk), fc.uint8Array({ maxLength: 40 }), (chunks, rest) => {
      const kept = chunks.filter(([type]) => type === "IDAT").map(([type, data]) => pngChunk(type, data));
      const all = Buffer.concat([signature, ...chunks.map(([type, data]) => pngChunk(type, data)), rest]);
      const left = Buffer.from(withoutTexts(all));
      expect(left.subarray(0, 8 + Buffer.concat(kept).length)).toEqual(Buffer.concat([signature, ...kept]));
      expect(left.length).toBeLessThanOrEqual(all.length);
    }),
  );
});
