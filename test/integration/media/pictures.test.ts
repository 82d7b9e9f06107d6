import { crc32, deflateSync, gzipSync } from "node:zlib";
import { decode } from "blurhash";
import sharp, { type Sharp } from "sharp";
import { rgbaToThumbHash, thumbHashToAverageRGBA } from "thumbhash";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { rgbaToBlurhash } from "../../../src/media/worker/blurhash.ts";
import type { Decoder, Picture } from "../../../src/media/decode/decoder.ts";
import type { FormatName } from "../../../src/media/formats/index.ts";
import { encodePng } from "../../../src/media/worker/encode-png.ts";
import { ffmpeg, formatNamed, startDecoder } from "../../support/decoder.ts";
import { blurhashError, noise, plain } from "../../support/images.ts";
import { apng } from "../../support/plan-files.ts";
import { colour as colourOfFiles, heic, pdf } from "../../support/media-files.ts";
import { requires } from "../../support/require.ts";

let decoder: Decoder;
let end = () => Promise.resolve();
beforeAll(async () => {
  decoder = await startDecoder((close) => (end = close), {
    formats: ["jpeg", "png", "webp", "gif", "avif", "heic", "tiff", "svg", "pdf"],
  });
});
afterAll(() => end());

const describeAs = async (name: FormatName, file: Sharp | Uint8Array): Promise<Picture> =>
  decoder.describe(file instanceof Uint8Array ? file : await file.toBuffer(), formatNamed(name));

const raw = (width: number, height: number, rgba: Uint8Array) => sharp(rgba, { raw: { width, height, channels: 4 } });

/** Another colour in every corner. */
function corners(width: number, height: number): Uint8Array {
  return Uint8Array.from({ length: width * height * 4 }, (_, at) => {
    const [x, y] = [((at >> 2) % width) / width, Math.floor((at >> 2) / width) / height];
    return [255 * x, 255 * y, 255 * (1 - x) * (1 - y), 255][at % 4]!;
  });
}

const hashOf = (width: number, height: number, rgba: Uint8Array) => rgbaToBlurhash(width, height, rgba, { x: 4, y: 3 });
const averageOf = ({ blurhash }: Picture) => [...decode(`00${blurhash!.slice(2, 6)}`, 1, 1)].slice(0, 3);

/** EXIF 2.32, 4.6.4 A: where pixel (x, y) of the upright picture is stored. */
const storedAt: Record<number, (x: number, y: number, w: number, h: number) => [number, number]> = {
  1: (x, y) => [x, y],
  2: (x, y, w) => [w - 1 - x, y],
  3: (x, y, w, h) => [w - 1 - x, h - 1 - y],
  4: (x, y, _w, h) => [x, h - 1 - y],
  5: (x, y) => [y, x],
  6: (x, y, w) => [y, w - 1 - x],
  7: (x, y, w, h) => [h - 1 - y, w - 1 - x],
  8: (x, y, _w, h) => [h - 1 - y, x],
};

function storedAs(orientation: number, width: number, height: number, rgba: Uint8Array) {
  const isTurned = orientation > 4;
  const [storedWidth, storedHeight] = isTurned ? [height, width] : [width, height];
  const stored = new Uint8Array(rgba.length);
  for (let y = 0; y < height; y += 1) {
    for (let x = 0; x < width; x += 1) {
      const [column, row] = storedAt[orientation]!(x, y, width, height);
      stored.set(rgba.subarray((y * width + x) * 4, (y * width + x) * 4 + 4), (row * storedWidth + column) * 4);
    }
  }
  return raw(storedWidth, storedHeight, stored).withMetadata({ orientation });
}

describe("a picture is described upright", () => {
  const upright = corners(90, 60);

  test.each([1, 2, 3, 4, 5, 6, 7, 8])("a picture of EXIF orientation %i is read upright", async (orientation) => {
    const picture = await describeAs("webp", storedAs(orientation, 90, 60, upright).webp({ lossless: true }));
    expect(picture).toMatchObject({ width: 90, height: 60, blurhash: hashOf(90, 60, upright), warning: null });
    expect(picture.thumbhash).toBe(Buffer.from(rgbaToThumbHash(90, 60, upright)).toString("base64"));
  });

  test.each([3, 6, 8])("a JPEG with shrink-on-load and orientation %i is described upright", async (orientation) => {
    const large = corners(1500, 1000);
    const picture = await describeAs("jpeg", storedAs(orientation, 1500, 1000, large).jpeg({ quality: 95 }));
    expect(picture).toMatchObject({ width: 1500, height: 1000 });
    expect(blurhashError(picture.blurhash!, hashOf(1500, 1000, large))).toBeLessThan(3);
  });
});

describe("an SVG is rendered", () => {
  const xmlns = 'xmlns="http://www.w3.org/2000/svg"';
  const drawing = `<svg ${xmlns} width="20" height="10"><title>größer</title><rect x="10" width="10" height="10" fill="red"/></svg>`;
  const utf16 = (text: string) => Buffer.from(text, "utf16le");

  test.each<[string, Uint8Array]>([
    ["in ISO-8859-1", Buffer.from(`<?xml version="1.0" encoding="ISO-8859-1"?>${drawing}`, "latin1")],
    ["in windows-1252 without a declaration", Buffer.from(drawing, "latin1")],
    ["in UTF-16 with a byte order mark", utf16(`\ufeff<?xml version="1.0" encoding="UTF-16"?>${drawing}`)],
    ["in UTF-16 without a byte order mark", utf16(drawing)],
    ["in UTF-16 BE", utf16(`\ufeff${drawing}`).swap16()],
    ["in UTF-8 that is declared as UTF-16", Buffer.from(`<?xml version="1.0" encoding="utf-16"?>${drawing}`)],
    ["with a byte order mark", Buffer.from(`\ufeff${drawing}`)],
    ["behind a long comment", Buffer.from(`<?xml version="1.0"?><!-- ${"licence ".repeat(500)}-->${drawing}`)],
    [
      "with a prefix for its namespace",
      Buffer.from(drawing.replace("xmlns", "xmlns:ns0").replaceAll(/<(\/?)(?=[a-z])/g, "<$1ns0:")),
    ],
    [
      "with an entity for its namespace",
      Buffer.from(
        `<?xml version="1.0" encoding="ISO-8859-1"?><!DOCTYPE svg [<!ENTITY s "http://www.w3.org/2000/svg">]>${drawing.replace(/"http[^"]*"/, '"&s;"')}`,
        "latin1",
      ),
    ],
  ])("an SVG is rendered %s", async (_, file) => {
    const expected = await describeAs("svg", Buffer.from(drawing));
    expect(expected.blurhash).not.toBeNull();
    expect(await describeAs("svg", file)).toMatchObject({ width: 20, height: 10, blurhash: expected.blurhash });
    const gzipped = await describeAs("svgz", gzipSync(file));
    expect(gzipped).toMatchObject({ width: 20, height: 10, blurhash: expected.blurhash });
  });

  test("the units of an SVG are CSS units, of its size and of what it draws", async () => {
    const rect = (unit: string, side: number) =>
      `<rect x="${side / 2}${unit}" width="${side / 2}${unit}" height="${side}${unit}" fill="red"/>`;
    const inches = await describeAs("svg", Buffer.from(`<svg ${xmlns} width="96" height="96">${rect("in", 1)}</svg>`));
    const pixels = await describeAs("svg", Buffer.from(`<svg ${xmlns} width="1in" height="1in">${rect("", 96)}</svg>`));
    expect(inches).toMatchObject({ width: 96, height: 96, blurhash: pixels.blurhash });
    expect(pixels).toMatchObject({ width: 96, height: 96 });
    const page = Buffer.from(`<svg ${xmlns} style="width:210mm;height:297mm"/>`);
    expect(await describeAs("svg", page)).toMatchObject({ width: 794, height: 1123 });
  });
});

test("a PDF behind a newline and the header of a printer job has its size and its hash", async () => {
  const file = Buffer.concat([Buffer.from("\r\n@PJL ENTER LANGUAGE=PDF\r\n"), pdf()]);
  const [behind, plainFile] = [await describeAs("pdf", file), await describeAs("pdf", pdf())];
  expect(behind).toMatchObject({ width: 96, height: 64, blurhash: plainFile.blurhash, warning: null });
});

test("EXIF data behind the pixels of a PNG turns it", async () => {
  const upright = corners(90, 60);
  const file = await storedAs(6, 90, 60, upright).png().toBuffer();
  const exif = file.subarray(
    file.indexOf("eXIf") - 4,
    file.indexOf("eXIf") + 8 + file.readUInt32BE(file.indexOf("eXIf") - 4),
  );
  const before = file.subarray(0, file.indexOf(exif));
  const late = Buffer.concat([before, file.subarray(before.length + exif.length, -12), exif, file.subarray(-12)]);
  expect(late.indexOf("eXIf")).toBeGreaterThan(late.indexOf("IDAT"));
  expect(await describeAs("png", late)).toMatchObject({ width: 90, height: 60, blurhash: hashOf(90, 60, upright) });
});

describe("transparency", () => {
  const half = plain(50, 30, [255, 0, 0, 128]);

  test("a transparent picture is composited on white for the blurhash", async () => {
    const picture = await describeAs("png", raw(50, 30, half).png());
    expect(picture.blurhash).toBe(hashOf(50, 30, plain(50, 30, [255, 127, 127, 255])));
  });

  test("transparency is kept in the thumbhash", async () => {
    const { thumbhash } = await describeAs("png", raw(50, 30, half).png());
    expect(thumbHashToAverageRGBA(Buffer.from(thumbhash!, "base64")).a).toBeCloseTo(0.5, 1);
  });

  test("the colours of fully transparent pixels do not affect the hash", async () => {
    const hidden = await describeAs("png", raw(300, 200, plain(300, 200, [0, 255, 0, 0])).png());
    const white = await describeAs("png", raw(300, 200, plain(300, 200, [255, 255, 255, 255])).png());
    expect(hidden.blurhash).toBe(white.blurhash);
  });
});

describe("colours", () => {
  const colour = [180, 90, 60] as const;
  const opaque = () => raw(64, 64, plain(64, 64, [...colour, 255])).removeAlpha();

  test.each<[string, FormatName, () => Sharp, number]>([
    ["a Display P3 PNG", "png", () => opaque().withIccProfile("p3").png(), 2],
    ["a Display P3 JPEG", "jpeg", () => opaque().withIccProfile("p3").jpeg({ quality: 95 }), 4],
    ["a CMYK JPEG", "jpeg", () => opaque().withIccProfile("cmyk").jpeg({ quality: 95 }), 26],
    ["a PNG of 16 bits", "png", () => opaque().toColourspace("rgb16").png(), 1],
    ["a PNG with a palette", "png", () => opaque().png({ palette: true }), 1],
    ["an interlaced PNG", "png", () => opaque().png({ progressive: true }), 1],
    ["a progressive JPEG", "jpeg", () => opaque().jpeg({ progressive: true, quality: 95 }), 3],
    ["a lossy WebP", "webp", () => opaque().webp({ quality: 95 }), 4],
    ["a GIF", "gif", () => opaque().gif(), 1],
    ["an AVIF", "avif", () => opaque().avif({ quality: 90 }), 4],
    ["a TIFF", "tiff", () => opaque().tiff({ compression: "lzw" }), 1],
  ])("the colours of %s are converted to sRGB", async (_, name, make, tolerance) => {
    const picture = await describeAs(name, make());
    expect(picture).toMatchObject({ width: 64, height: 64, animated: false, warning: null });
    averageOf(picture).forEach((value, channel) => {
      expect(Math.abs(value - colour[channel]!)).toBeLessThanOrEqual(tolerance);
    });
  });

  test("the colours of an SVG are sRGB", async () => {
    const drawing =
      '<svg xmlns="http://www.w3.org/2000/svg" width="64" height="32"><rect width="64" height="32" fill="#b45a3c"/></svg>';
    const picture = await describeAs("svg", Buffer.from(drawing));
    expect(picture).toMatchObject({ width: 64, height: 32 });
    expect(averageOf(picture)).toEqual([...colour]);
  });

  test("a grey picture with transparency is grey on white", async () => {
    const grey = raw(40, 40, plain(40, 40, [100, 100, 100, 255]))
      .toColourspace("b-w")
      .png();
    expect(averageOf(await describeAs("png", grey))).toEqual([100, 100, 100]);
  });

  describe.skipIf(requires("ffmpeg", ffmpeg !== null))("of a HEIC with a profile", () => {
    const rgba = plain(96, 64, [...colourOfFiles, 255]);
    const displayP3 = async (): Promise<Buffer> =>
      (await sharp(await opaque().withIccProfile("p3").png().toBuffer()).metadata()).icc!;

    test("the colours of a HEIC with an ICC profile equal those of a PNG with the same profile", async () => {
      const profile = await displayP3();
      const expected = averageOf(
        await describeAs("png", encodePng({ width: 96, height: 64, rgba }, { profile, level: 0 })),
      );
      const [red, green] = averageOf(await describeAs("heic", heic(["heic", "mif1"], profile)));
      expect(expected[0]! - colourOfFiles[0]).toBeGreaterThan(10); // else the profile would make no difference
      expect(Math.abs(red! - expected[0]!)).toBeLessThan(8);
      expect(Math.abs(green! - expected[1]!)).toBeLessThan(12);
    });

    test.each<[string, () => Promise<Decoder>, () => Promise<Buffer>]>([
      ["where the profile is broken", () => Promise.resolve(decoder), () => Promise.resolve(Buffer.alloc(500, 7))],
      [
        "where PNG is off",
        () => startDecoder((close) => onTestFinished(close), { formats: ["heic"], processes: 1 }),
        displayP3,
      ],
    ])("the colours of a HEIC are read as sRGB %s", async (_, start, profile) => {
      const picture = await (await start()).describe(heic(["heic"], await profile()), formatNamed("heic"));
      averageOf(picture).forEach((value, channel) => expect(Math.abs(value - colourOfFiles[channel]!)).toBeLessThan(6));
    });
  });

  test("colours with a broken ICC profile are read as sRGB", async () => {
    const file = await raw(40, 40, plain(40, 40, [...colour, 255]))
      .removeAlpha()
      .png()
      .toBuffer();
    const content = Buffer.concat([Buffer.from("broken\0\0"), deflateSync(noise(10, 10, 1))]);
    const chunk = Buffer.concat([Buffer.alloc(4), Buffer.from("iCCP"), content, Buffer.alloc(4)]);
    chunk.writeUInt32BE(content.length);
    chunk.writeUInt32BE(crc32(chunk.subarray(4, -4)), chunk.length - 4);
    const picture = await describeAs("png", Buffer.concat([file.subarray(0, 33), chunk, file.subarray(33)]));
    expect(averageOf(picture)).toEqual([...colour]);
  });
});

describe("an animation is its first frame", () => {
  const frames = async () =>
    sharp(
      await Promise.all(
        [
          [255, 0, 0],
          [0, 0, 255],
          [0, 255, 0],
        ].map(([r, g, b]) =>
          raw(60, 40, plain(60, 40, [r!, g!, b!, 255]))
            .png()
            .toBuffer(),
        ),
      ),
      { join: { animated: true } },
    );

  test.each(["gif", "webp"] as const)("the hash of an animated %s is that of its first frame", async (name) => {
    const picture = await describeAs(name, (await frames()).toFormat(name, { lossless: true }));
    expect(picture).toMatchObject({ width: 60, height: 40, animated: true });
    expect(averageOf(picture)).toEqual([255, 0, 0]);
  });

  test("the hash of an animated PNG is that of its first frame, and animated is true", async () => {
    const picture = await describeAs("apng", await apng(3));
    expect(picture).toMatchObject({ width: 90, height: 60, animated: true, warning: null });
    expect(picture.blurhash).toBe((await describeAs("png", await apng(1))).blurhash);
  });

  test("an animated PNG of one frame is not animated", async () => {
    expect(await describeAs("apng", await apng(1))).toMatchObject({ width: 90, height: 60, animated: false });
  });
});

describe("proportions", () => {
  test.each([
    [1, 1],
    [1, 2000],
    [2000, 1],
    [129, 127],
    [3000, 20],
  ])("a picture of %i x %i has the right size and blurhash", async (width, height) => {
    const pixels = corners(width, height);
    const picture = await describeAs("png", raw(width, height, pixels).png());
    expect(picture).toMatchObject({ width, height, warning: null });
    expect(blurhashError(picture.blurhash!, hashOf(width, height, pixels))).toBeLessThan(4);
  });

  test("the thumbhash has the proportions of the picture, not of a square", async () => {
    const { thumbhash } = await describeAs("png", raw(900, 300, corners(900, 300)).png());
    const [, , , low = 0, high = 0] = Buffer.from(thumbhash!, "base64");
    expect({ isLandscape: high >> 7, terms: low & 7 }).toEqual({ isLandscape: 1, terms: 2 }); // 7 · 300 / 900, rounded
  });
});

describe("a picture that cannot be decoded", () => {
  const photo = () =>
    raw(400, 300, noise(400, 300, 9))
      .jpeg()
      .toBuffer();

  test("a truncated picture has its dimensions and no hash, since half of it has another hash", async () => {
    const file = await photo();
    const picture = await describeAs("jpeg", file.subarray(0, file.length / 2));
    expect(picture).toMatchObject({
      width: 400,
      height: 300,
      blurhash: null,
      thumbhash: null,
      warning: "decode_failed",
    });
  });

  test.each([
    ["baseline", {}],
    ["progressive", { progressive: true }],
  ])("a JPEG without its end marker has the hash of the whole file: %s", async (_, options) => {
    const file = await raw(400, 300, noise(400, 300, 9))
      .jpeg(options)
      .toBuffer();
    const whole = await describeAs("jpeg", file);
    expect(whole.blurhash).not.toBeNull();
    for (const missing of [1, 2]) {
      const { blurhash, warning } = await describeAs("jpeg", file.subarray(0, -missing));
      expect({ blurhash, warning }).toEqual({ blurhash: whole.blurhash, warning: null });
    }
    const cut = await describeAs("jpeg", file.subarray(0, -200));
    expect(cut).toMatchObject({ width: 400, height: 300, blurhash: null, warning: "decode_failed" });
  });

  test("a picture with noise after its signature has no metadata", async () => {
    const file = Buffer.concat([Buffer.from([0xff, 0xd8, 0xff]), noise(50, 50, 2)]);
    expect(await describeAs("jpeg", file)).toMatchObject({ width: null, blurhash: null, warning: "decode_failed" });
  });

  test.each(["gif", "webp", "png"] as const)(
    "a picture of which only the head is there is measured (%s)",
    async (name) => {
      const file = await raw(400, 300, noise(400, 300, 9))
        .toFormat(name)
        .toBuffer();
      const picture = await decoder.measure(file.subarray(0, 1000), formatNamed(name));
      expect(picture).toMatchObject({ width: 400, height: 300, blurhash: null });
    },
  );

  test("a JPEG is measured from its head", async () => {
    const picture = await decoder.measure((await photo()).subarray(0, 2000), formatNamed("jpeg"));
    expect(picture).toMatchObject({ width: 400, height: 300, warning: null });
  });
});
