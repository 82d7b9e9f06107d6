import sharp from "sharp";
import { describe, expect, test } from "vitest";
import { findEndOfImage } from "../../../../src/media/formats/jpeg.ts";
import { noise, photo } from "../../../support/images.ts";
import { jpegWithThumbnail } from "../../../support/plan-files.ts";
import { planNamed } from "../../../support/plans.ts";
import { arrivalOf, follow } from "../../../support/read-plans.ts";

const plan = planNamed("jpeg");

const picture = photo(900, 600);
const landscape = () => picture.clone();

describe("the main image of a JPEG", () => {
  test.each([
    ["baseline", {}],
    ["progressive", { progressive: true }],
    ["grey", { chromaSubsampling: "4:4:4" as const }],
  ])("ends at its end marker, and more bytes behind it are not read: %s", async (_, options) => {
    const jpeg = await landscape().jpeg(options).toBuffer();
    const file = Buffer.concat([jpeg, noise(900, 600, 1)]);
    const { step, arrival } = follow(plan.preview, file).at(-1)!;
    expect(step.excerpt?.accuracy).toBe("exact");
    expect(jpeg.equals(step.excerpt!.bytes)).toBe(true);
    expect(arrival.readBytes).toBeLessThan(1.25 * jpeg.length + 16 * 1024);
  });

  test("does not end with a thumbnail in a segment", async () => {
    const file = await jpegWithThumbnail(landscape(), { width: 150, height: 100, orientation: 1 });
    expect(file.indexOf("\xff\xd9", "latin1")).toBeLessThan(file.length - 2);
    expect(findEndOfImage(file)).toBe(file.length);
  });

  test.each([
    ["no segment behind the start", "\xff\xd8\0\0\0\0\0\0", "never"],
    ["an end before any scan", "\xff\xd8\xff\xe0\0\x02\xff\xd9", "never"],
    ["a segment shorter than its length", "\xff\xd8\xff\xe0\0\x01\xff\xe0\0\x02", "never"],
    ["a second start", "\xff\xd8\xff\xd8\xff\xd8\xff\xd8", "never"],
    [
      "a stuffed byte, restarts and fill bytes in a scan",
      "\xff\xd8\xff\xda\0\x02\xff\0\xd9\xff\xd0\xff\xd7\xff\xff\xd9",
      16,
    ],
    ["a table between two scans, with an end marker in it", "\xff\xd8\xff\xda\0\x02a\xff\xc4\0\x04\xff\xd9\xff\xda\0\x02b\xff\xd9", 20], // prettier-ignore
    ["half a marker", "\xff\xd8\xff\xda\0\x02abc\xff", null],
  ])("is found among segments: %s", (_, file, expected) => {
    expect(findEndOfImage(Buffer.from(file, "latin1"))).toBe(expected);
  });

  test("is read to the end of the file if it has no end marker", async () => {
    const jpeg = (await landscape().jpeg().toBuffer()).subarray(0, -2);
    const { excerpt, need } = plan.preview(arrivalOf(jpeg, jpeg.length));
    expect([excerpt?.bytes.length, excerpt?.accuracy, need]).toEqual([jpeg.length, "exact", null]);
  });
});

test("a progressive JPEG has a close excerpt of a third of it, and an exact one at its end", async () => {
  const file = await photo(1024, 768).jpeg({ progressive: true, quality: 90 }).toBuffer();
  const steps = follow(plan.preview, file);
  const close = steps.find(({ step }) => step.excerpt?.accuracy === "close")!;
  expect(close.arrival.readBytes).toBeLessThan(0.45 * file.length);
  expect(close.step.need).not.toBeNull();
  const { excerpt, need } = steps.at(-1)!.step;
  expect([excerpt?.bytes.length, excerpt?.accuracy, need]).toEqual([file.length, "exact", null]);
});

describe("the thumbnail in the EXIF data of a JPEG", () => {
  const excerptOf = async (width: number, height: number, orientation = 1) => {
    const file = await jpegWithThumbnail(landscape(), { width, height, orientation });
    return plan.preview(arrivalOf(file, 40_000)).excerpt;
  };

  test.each([1, 2, 3, 4, 5, 6, 7, 8])(
    "is a provisional excerpt that is displayed as the picture is, orientation %i",
    async (orientation) => {
      const excerpt = (await excerptOf(150, 100, orientation))!;
      expect(excerpt.accuracy).toBe("provisional");
      const [width, height] = orientation < 5 ? [150, 100] : [100, 150];
      expect((await sharp(excerpt.bytes, { failOn: "warning" }).metadata()).autoOrient).toEqual({ width, height });
      const small = await sharp(excerpt.bytes, { failOn: "warning" }).autoOrient().resize(3, 3, { fit: "fill" }).removeAlpha().raw().toBuffer(); // prettier-ignore
      const whole = await landscape().withMetadata({ orientation }).jpeg().toBuffer();
      const large = await sharp(whole).autoOrient().resize(3, 3, { fit: "fill" }).removeAlpha().raw().toBuffer();
      const differences = [...small].map((value, at) => Math.abs(value - large[at]!));
      expect(Math.max(...differences)).toBeLessThan(12); // the colours of the corners differ by 160
    },
  );

  test.each([
    ["of other proportions: the bars above and below are no part of the picture", 160, 120],
    ["smaller than a hash can use", 90, 60],
  ])("is no excerpt if it is %s", async (_, width, height) => {
    expect(await excerptOf(width, height)).toBeNull();
  });

  test("is no excerpt if it lies behind its segment, or is no JPEG", async () => {
    const file = await jpegWithThumbnail(landscape(), { width: 150, height: 100, orientation: 1 });
    const thumbnail = file.indexOf("\xff\xd8", 2, "latin1");
    const [broken, far] = [Buffer.from(file), Buffer.from(file)];
    broken[thumbnail] = 0;
    far.writeUInt32BE(60_000, file.indexOf("\x02\x01\0\x04", "latin1") + 8);
    for (const changed of [broken, far]) expect(plan.preview(arrivalOf(changed, 40_000)).excerpt).toBeNull();
  });
});
