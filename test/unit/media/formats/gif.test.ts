import sharp from "sharp";
import { expect, test } from "vitest";
import { cpuMs } from "../../../support/cpu.ts";
import { latin1 } from "../../../support/heads.ts";
import { planNamed } from "../../../support/plans.ts";
import { arrivalOf, follow } from "../../../support/read-plans.ts";

const plan = planNamed("gif");

const screen = latin1("GIF89a\x5a\0\x3c\0\0\0\0");
const extension = latin1("!\xf9\x04\0\0\0\0\0!\xffXNETSCAPE2.0\x03\x01\0\0\0".replace("X", "\x0b"));

/** An image of sub-blocks of so many bytes, with two colours of its own. */
function image(bytes: number, blockBytes = 255): Buffer {
  const block = Buffer.concat([Buffer.from([blockBytes]), Buffer.alloc(blockBytes, 0x2c)]);
  return Buffer.concat([latin1(",\0\0\0\0\x5a\0\x3c\0\x80abcdef\x02"), Buffer.alloc(bytes, block), Buffer.alloc(1)]);
}

const frame = image(256 * 40);
const transparent = latin1("!\xf9\x04\x01\0\0\0\0");
const gif = (...parts: readonly Buffer[]) => Buffer.concat([screen, ...parts]);
const size = { width: 90, height: 60 };

test.each([
  ["two images", gif(extension, frame, extension, frame, latin1(";")), true],
  ["one image and a trailer", gif(extension, frame, latin1(";")), false],
  ["one image, a comment and a trailer", gif(frame, latin1("!\xfe\x03abc\0;")), false],
  ["one image without a trailer", gif(frame), false],
])("a GIF of %s is animated, or not", (_, file, animated) => {
  expect(plan.facts(arrivalOf(file, file.length))).toEqual({
    known: { ...size, animated },
    measurable: null,
    need: null,
  });
});

test("a GIF is animated as soon as its second image begins", () => {
  const file = gif(frame, extension, frame);
  const second = file.length - frame.length;
  expect(plan.facts(arrivalOf(file, second)).known).toEqual(size);
  expect(plan.facts(arrivalOf(file, second + 1)).known).toEqual({ ...size, animated: true });
});

test("a worker measures a GIF whose blocks end in bytes of no kind", () => {
  const file = gif(frame, latin1("???"));
  expect(plan.facts(arrivalOf(file, file.length))).toEqual({ known: size, measurable: file, need: null });
  expect(plan.facts(arrivalOf(file, file.length - 1)).need).toBe("whole");
});

test("the preview of a GIF is its first image and a trailer, close as long as a transparent image may follow", () => {
  const file = gif(extension, frame, frame, frame, frame, latin1(";"));
  const steps = follow(plan.preview, file, arrivalOf(file, 20));
  const first = steps.find(({ step }) => step.excerpt)!;
  const excerpt = gif(extension, frame, latin1(";"));
  expect(first.step.excerpt).toEqual({ bytes: excerpt, accuracy: "close" });
  expect(first.arrival.readBytes).toBeLessThan(file.length / 2);
  expect(steps.at(-1)!.step).toEqual({ excerpt: { bytes: excerpt, accuracy: "exact" }, need: null });
});

test("a GIF with a transparent image has an exact preview there: all its images are downscaled as transparent ones", async () => {
  const file = gif(frame, transparent, frame, frame);
  const { excerpt, need } = plan.preview(arrivalOf(file, file.length - 2 * frame.length + 1));
  expect([excerpt?.accuracy, need]).toEqual(["exact", null]);
  expect((await sharp(excerpt!.bytes).metadata()).hasAlpha).toBe(true);
});

test("an image of 8 MB in a GIF is found in a few steps", () => {
  const file = gif(image(8_000_000 - (8_000_000 % 256)), transparent, image(2560));
  const steps = follow(plan.preview, file);
  expect(steps.length).toBeLessThan(40);
  const end = file.length - image(2560).length - transparent.length;
  const { excerpt } = steps.at(-1)!.step;
  expect(file.subarray(0, end).equals(excerpt!.bytes.subarray(0, end))).toBe(true);
});

test("a GIF of 64 MB of the shortest sub-blocks takes less than 50 ms a call, and is read whole", () => {
  const file = gif(image(64_000_000, 1));
  const arrival = arrivalOf(file, file.length - 1);
  expect(plan.preview(arrival)).toEqual({ excerpt: null, need: "whole" });
  expect(cpuMs(() => plan.preview(arrival))).toBeLessThan(50); // mostly 3
});
