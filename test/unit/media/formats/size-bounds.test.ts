import { describe, expect, test } from "vitest";
import { createDurationMs, createSize, maxDurationMs, maxSide } from "../../../../src/domain/size.ts";
import { type FormatName, formats } from "../../../../src/media/formats/index.ts";
import { aiff } from "../../../../src/media/formats/aiff.ts";
import { reader as avi } from "../../../../src/media/worker/readers/avi.ts";
import { reader as ogg } from "../../../../src/media/worker/readers/ogg.ts";
import { hugeBigTiff, hugeQoi } from "../../../support/bombs.ts";
import { box, fileType, heads, latin1, png } from "../../../support/heads.ts";
import { jp2Start, uint } from "../../../support/worst-cases.ts";

const sizeIn = (name: FormatName, file: Uint8Array) => formats.find((format) => format.name === name)!.readSize!(file);

test.each([
  [1, 1, { width: 1, height: 1 }],
  [maxSide, 1, { width: maxSide, height: 1 }],
  [0, 1, null],
  [1, -1, null],
  [1, 0.5, null],
  [maxSide + 1, 1, null],
  [NaN, 1, null],
  [1, Infinity, null],
])("%d x %d makes the size %o", (width, height, expected) => {
  expect(createSize(width, height)).toEqual(expected);
});

test.each([
  [0, 0],
  [1.4, 1],
  [maxDurationMs, maxDurationMs],
  [maxDurationMs + 1, null],
  [-1, null],
  [NaN, null],
  [Infinity, null],
])("%d ms makes the duration %o", (milliseconds, expected) => {
  expect(createDurationMs(milliseconds)).toBe(expected);
});

const [lowest, highest] = [0x80000000, 0xffffffff];

function bmp(width: number, height: number): Buffer {
  const header = Buffer.alloc(54);
  header.write("BM");
  header.writeUInt32LE(40, 14);
  header.writeUInt32LE(width, 18);
  header.writeUInt32LE(height, 22);
  return header;
}

function j2c(...numbers: readonly number[]): Buffer {
  return Buffer.concat([heads.j2c, Buffer.alloc(2), ...numbers.map((number) => uint(4, number))]);
}

function heif(...properties: readonly Buffer[]): Buffer {
  const full = Buffer.alloc(4);
  const size = box("ispe", full, uint(4, 400), uint(4, 300));
  const list = Buffer.from([properties.length + 1, 1, ...properties.map((_, index) => index + 2)]);
  const ipma = box("ipma", full, uint(4, 1), uint(2, 7), list);
  const iprp = box("iprp", box("ipco", size, ...properties), ipma);
  return Buffer.concat([fileType("heic"), box("meta", full, box("pitm", full, uint(2, 7)), iprp)]);
}

test("a HEIF whose cropping stands before its stored size is as large as it is cropped", () => {
  const full = Buffer.alloc(4);
  const list = box("ipco", clap(100, 1, 50, 1), box("ispe", full, uint(4, 400), uint(4, 300)));
  const ipma = box("ipma", full, uint(4, 1), uint(2, 7), Buffer.from([2, 1, 2]));
  const meta = box("meta", full, box("pitm", full, uint(2, 7)), box("iprp", list, ipma));
  expect(sizeIn("heic", Buffer.concat([fileType("heic"), meta]))).toEqual({ width: 100, height: 50 });
});

test("the size of a JPEG XL or a TIFF is unknown as long as some of its header is missing", () => {
  const jxl = widestJxl().fill(0b0101_0101, 2);
  const entry = (tag: number, value: number) => Buffer.concat([uint(2, tag), uint(2, 3), uint(4, 1), uint(2, value), uint(2, 0)]); // prettier-ignore
  const tiff = Buffer.concat([latin1("MM\0*\0\0\0\x08\0\x03"), entry(256, 30), entry(257, 20), entry(274, 6)]);
  for (const [name, file] of [
    ["jxl", Buffer.concat([jxl, Buffer.alloc(30)])],
    ["tiff", tiff],
  ] as const) {
    const sizes = Array.from(file, (_, bytes) => sizeIn(name, file.subarray(0, bytes))).filter((size) => size !== null);
    expect(sizes).toEqual(sizes.map(() => sizeIn(name, file)));
    expect(sizeIn(name, file)).not.toBeNull();
  }
});

function clap(...numbers: readonly number[]): Buffer {
  return box("clap", ...[...numbers, 0, 1, 0, 1].map((number) => uint(4, number)));
}

/** A JPEG XL that is 2^30 high and twice as wide. */
function widestJxl(): Buffer {
  return Buffer.from([0xff, 0x0a, 0b1111_1110, 0xff, 0xff, 0xff, 0b1111_1111, 0b0000_1111, 0, 0]);
}

describe("a header that declares a size that no picture has is read as none", () => {
  test.each<[string, FormatName, Buffer]>([
    ["BigTIFF, 2^60 pixels wide", "tiff", hugeBigTiff()],
    ["QOI, 2^32 - 1 pixels wide", "qoi", hugeQoi()],
    ["PSD, 2^31 pixels wide", "psd", Buffer.concat([heads.psd.subarray(0, 14), uint(4, 1), uint(4, lowest)])],
    ["JPEG 2000 codestream whose picture ends before it begins", "j2c", j2c(5, 9, 6, 0)],
    ["JPEG 2000 codestream, 2^32 - 1 pixels wide", "j2c", j2c(highest, 9, 0, 0)],
    ["JPEG 2000, 2^32 - 1 pixels high", "jp2", Buffer.concat([jp2Start, box("jp2h", box("ihdr", uint(4, highest), uint(4, 9)))])], // prettier-ignore
    ["HEIF, 2^32 - 1 pixels wide", "heic", heif(box("ispe", Buffer.alloc(4), uint(4, highest), uint(4, 1)))],
    ["HEIF, cropped to a negative width", "heic", heif(clap(lowest, 1, 50, 1))],
    ["HEIF, cropped to a fraction by zero", "heic", heif(clap(100, 0, 50, 1))],
    ["HEIF, cropped to less than half a pixel", "heic", heif(clap(1, 3, 50, 1))],
    ["BMP of the lowest height", "bmp", bmp(1, lowest)],
    ["BMP of a negative width", "bmp", bmp(highest, 1)],
    ["PNG, 2^31 pixels high", "png", png(["IHDR", Buffer.from([0, 0, 0, 1, 0x80, 0, 0, 0, 8, 2, 0, 0, 0])], ["IDAT", Buffer.alloc(1)])], // prettier-ignore
    ["JPEG XL, 2^31 pixels wide", "jxl", widestJxl()],
    ["SVG, 1e300 pixels wide", "svg", Buffer.from('<svg viewBox="0 0 1e300 1"/>')],
    ["SVG whose proportion makes it too wide", "svg", Buffer.from('<svg height="2147483647" viewBox="0 0 9 1"/>')],
  ])("%s", (_, name, file) => {
    expect(sizeIn(name, file)).toBeNull();
  });
});

test("the icon is as large as its list says if its picture declares a size that no picture has", () => {
  const entry = Buffer.from([32, 48, 0, 0, 1, 0, 32, 0, 40, 0, 0, 0, 22, 0, 0, 0]);
  const file = Buffer.concat([Buffer.from([0, 0, 1, 0, 1, 0]), entry, bmp(1, lowest).subarray(14)]);
  expect(sizeIn("ico", file)).toEqual({ width: 32, height: 48 });
});

describe("a duration of more than a year is read as none", () => {
  test("of an AIFF of so many samples, or of none a second", () => {
    const common = (samples: number, rate: Buffer) =>
      Buffer.concat([latin1("FORM\0\0\0\x40AIFFCOMM\0\0\0\x12\0\x01"), uint(4, samples), Buffer.alloc(2), rate]);
    const oneHertz = Buffer.from([0x3f, 0xff, 0x80, 0, 0, 0, 0, 0, 0, 0]);
    const durationOf = (prefix: Buffer) =>
      aiff.plan.facts({ prefix, parts: [], length: prefix.length }).known.durationMs;
    expect(durationOf(common(90, oneHertz))).toBe(90_000);
    expect(durationOf(common(highest, oneHertz))).toBeUndefined();
    expect(durationOf(common(highest, Buffer.alloc(10)))).toBeUndefined();
  });

  test("of an AVI whose frames take a day each; its size is one that a picture has, or none", async () => {
    const list = (form: string, ...parts: readonly Buffer[]) => chunk("LIST", latin1(form), ...parts);
    const chunk = (name: string, ...parts: readonly Buffer[]) => {
      const content = Buffer.concat(parts);
      const length = Buffer.alloc(4);
      length.writeUInt32LE(content.length);
      return Buffer.concat([latin1(name), length, content]);
    };
    const file = (scale: number, height: number) => {
      const about = Buffer.alloc(56);
      about.write("vids");
      [scale, 1, 1000].forEach((value, index) => about.writeUInt32LE(value, [20, 24, 32][index]));
      const format = Buffer.alloc(40);
      format.writeUInt32LE(9, 4);
      format.writeUInt32LE(height, 8);
      return Buffer.concat([
        latin1("RIFF\0\0\0\0AVI "),
        list("hdrl", list("strl", chunk("strh", about), chunk("strf", format))),
      ]);
    };
    expect(await avi.measure!(file(2, 7), true)).toMatchObject({ width: 9, height: 7, durationMs: 2_000_000 });
    expect(await avi.measure!(file(86_400, lowest), true)).toMatchObject({
      width: null,
      height: null,
      durationMs: null,
    });
  });

  test("of a Theora stream at a frame a year, 16 million times as wide as its pixels", async () => {
    const packet = Buffer.alloc(42);
    packet.write("\x80theora\x03\x02\x01", "latin1");
    packet.set([0, 1, 0, 0, 0, 16], 14); // 256 x 16
    packet.writeUInt32BE(1, 22);
    packet.writeUInt32BE(highest, 26);
    packet.set([0xff, 0xff, 0xff, 0, 0, 1], 30);
    const page = Buffer.concat([latin1("OggS\0\x02"), Buffer.from([200, 0, 0, 0, 0, 0, 0, 0]), Buffer.alloc(12), Buffer.from([1, 42]), packet]); // prettier-ignore
    expect(await ogg.measure!(page, true)).toEqual({ width: null, height: null, animated: null, durationMs: null });
  });
});

test("bytes behind the directory of a TIFF are none of its entries", () => {
  const entry = (tag: number, value: number) => Buffer.concat([uint(2, tag), uint(2, 4), uint(4, 1), uint(4, value)]);
  const directory = Buffer.concat([uint(2, 2), entry(256, 30), entry(257, 20)]);
  const tiff = Buffer.concat([latin1("MM\0*\0\0\0\x08"), directory, entry(256, 40), entry(257, 50)]);
  expect(sizeIn("tiff", tiff)).toEqual({ width: 30, height: 20 });
});
