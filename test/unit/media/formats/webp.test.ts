import sharp from "sharp";
import { expect, test } from "vitest";
import { latin1 } from "../../../support/heads.ts";
import { noise, photo } from "../../../support/images.ts";
import { animation } from "../../../support/plan-files.ts";
import { planNamed } from "../../../support/plans.ts";
import { arrivalOf, follow } from "../../../support/read-plans.ts";

const plan = planNamed("webp");

const opaque = () => photo(300, 200).removeAlpha();

test.each([
  ["lossy", { quality: 80 }],
  ["lossless", { lossless: true }],
])("a still WebP is enough through its image chunk, as a file of its own: %s", async (_, options) => {
  const webp = await opaque().webp(options).toBuffer();
  const file = Buffer.concat([webp, latin1("XMP \x60\xea\0\0"), Buffer.alloc(60_000)]);
  file.writeUInt32LE(file.length - 8, 4);
  const { step, arrival } = follow(plan.preview, file, arrivalOf(file, 40)).at(-1)!;
  expect(step.excerpt).toEqual({ bytes: webp, accuracy: "exact" });
  expect(arrival.readBytes).toBe(webp.length);
});

test("EXIF data behind the image turns a WebP: the excerpt has it, and a worker measures it", async () => {
  const webp = await opaque().withMetadata({ orientation: 6 }).webp().toBuffer();
  const file = Buffer.concat([webp, latin1("XMP \x60\xea\0\0"), Buffer.alloc(60_000)]);
  file.writeUInt32LE(file.length - 8, 4);
  const [facts, preview] = [follow(plan.facts, file).at(-1)!.step, follow(plan.preview, file).at(-1)!.step];
  expect(facts).toEqual({ known: { animated: false }, measurable: webp, need: null });
  expect(preview.excerpt).toEqual({ bytes: webp, accuracy: "exact" });
  expect((await sharp(webp).metadata()).autoOrient).toEqual({ width: 200, height: 300 });
});

test("a WebP is animated at its second frame, and of one frame it is not", async () => {
  const file = await animation("webp");
  const second = file.indexOf("ANMF", file.indexOf("ANMF") + 4);
  expect(plan.facts(arrivalOf(file, second)).known).toEqual({ width: 90, height: 60 });
  expect(plan.facts(arrivalOf(file, second + 24)).known).toEqual({ width: 90, height: 60, animated: true });
  const single = Buffer.from(file.subarray(0, second));
  single.writeUInt32LE(second - 8, 4);
  expect(plan.facts(arrivalOf(single, second)).known).toEqual({ width: 90, height: 60, animated: false });
  expect(plan.preview(arrivalOf(single, second)).excerpt?.bytes).toEqual(single);
});

test("the excerpt of an animated WebP has its first frame on its canvas, and decodes to the same pixels", async () => {
  const file = await animation("webp", 8);
  const steps = follow(plan.preview, file, arrivalOf(file, 100));
  const first = steps.find(({ step }) => step.excerpt)!;
  expect(first.step.excerpt?.accuracy).toBe("close"); // a frame that is smaller than the canvas may follow
  expect(first.arrival.readBytes).toBeLessThan(0.8 * file.length);
  expect(steps.at(-1)!.step).toEqual({ excerpt: { ...first.step.excerpt, accuracy: "exact" }, need: null });
  const [part, whole] = [await sharp(first.step.excerpt!.bytes).raw().toBuffer(), await sharp(file).raw().toBuffer()];
  expect(Buffer.compare(part, whole)).toBe(0);
});

test("an animated WebP with a frame that is smaller than its canvas has an exact excerpt there", async () => {
  const file = await animation("webp", 8);
  const second = file.indexOf("ANMF", file.indexOf("ANMF") + 4);
  file.writeUIntLE(40, second + 14, 3);
  const { excerpt, need } = plan.preview(arrivalOf(file, second + 24));
  expect([excerpt?.accuracy, need]).toEqual(["exact", null]);
  expect((await sharp(excerpt!.bytes).metadata()).hasAlpha).toBe(true);
});

test("a WebP whose image is longer than the file says is read whole", async () => {
  const file = await sharp(noise(100, 100, 1), { raw: { width: 100, height: 100, channels: 4 } })
    .webp()
    .toBuffer();
  file.writeUInt32LE(100, 4);
  expect(plan.preview(arrivalOf(file, 1000))).toEqual({ excerpt: null, need: "whole" });
});

test("a WebP whose RIFF length leaves out the padding of its last chunk is enough through it", async () => {
  const webp = await opaque().webp({ lossless: true }).toBuffer();
  const [imageAt, imageBytes] = [20, webp.readUInt32LE(16) | 1];
  const image = Buffer.alloc(imageAt + imageBytes + 1);
  webp.copy(image);
  image.writeUInt32LE(imageBytes, 16);
  image.writeUInt32LE(image.length - 8 - 1, 4);
  const file = Buffer.concat([image, Buffer.alloc(60_000)]);
  const { excerpt, need } = plan.preview(arrivalOf(file, image.length));
  expect([excerpt?.bytes.length, excerpt?.accuracy, need]).toEqual([image.length, "exact", null]);
  expect(Buffer.from(excerpt!.bytes).subarray(8)).toEqual(image.subarray(8)); // the RIFF length is corrected
});
