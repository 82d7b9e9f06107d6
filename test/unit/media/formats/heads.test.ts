import fc from "fast-check";
import { gzipSync } from "node:zlib";
import sharp from "sharp";
import { describe, expect, test } from "vitest";
import { formats } from "../../../../src/media/formats/index.ts";
import { readHeifSize } from "../../../../src/media/formats/heif-items.ts";
import { readJxl } from "../../../../src/media/formats/jxl.ts";
import { sniff } from "../../../../src/media/formats/sniff.ts";
import { readSvgSize } from "../../../../src/media/formats/svg.ts";
import { readTiffSize } from "../../../../src/media/formats/tiff.ts";
import { cpuMs } from "../../../support/cpu.ts";
import { box, fileType, heads } from "../../../support/heads.ts";
import { plain } from "../../../support/images.ts";
import { jxlCodestream } from "../../../support/stream-heads.ts";

const uint = (bytes: number, value: number) => {
  const buffer = Buffer.alloc(bytes);
  buffer.writeUIntBE(value, 0, bytes);
  return buffer;
};
const full = Buffer.alloc(4);

/** A picture of 400 x 300 with these properties after its size. */
function heif(...properties: readonly Buffer[]): Buffer {
  const indexes = properties.map((_, index) => index + 2);
  return Buffer.concat([
    fileType("heic"),
    box(
      "meta",
      full,
      box("pitm", full, uint(2, 7)),
      box(
        "iprp",
        box("ipco", box("ispe", full, uint(4, 400), uint(4, 300)), ...properties),
        box(
          "ipma",
          full,
          uint(4, 2),
          uint(2, 3),
          Buffer.from([1, 99]),
          uint(2, 7),
          Buffer.from([indexes.length + 1, 1, ...indexes]),
        ),
      ),
    ),
  ]);
}

describe("the size of HEIF is as displayed", () => {
  const clap = box("clap", ...[100, 1, 50, 1, 0, 1, 0, 1].map((number) => uint(4, number)));
  test.each<[string, Buffer, { width: number; height: number } | null]>([
    ["as stored", heif(), { width: 400, height: 300 }],
    ["turned by a quarter", heif(box("irot", uint(1, 3))), { width: 300, height: 400 }],
    ["turned by a half", heif(box("irot", uint(1, 2))), { width: 400, height: 300 }],
    ["cropped", heif(clap), { width: 100, height: 50 }],
    ["cropped, then turned", heif(clap, box("irot", uint(1, 1))), { width: 50, height: 100 }],
    ["turned, then cropped", heif(box("irot", uint(1, 1)), clap), { width: 100, height: 50 }],
    ["mirrored", heif(box("imir", uint(1, 1))), { width: 400, height: 300 }],
    [
      "no larger than stored",
      heif(box("clap", ...[900, 1, 50, 1, 0, 1, 0, 1].map((number) => uint(4, number)))),
      { width: 400, height: 50 },
    ],
    ["cropped by nothing", heif(box("clap", Buffer.alloc(32))), null],
  ])("the size of a HEIF is as displayed: %s", (_, file, size) => {
    expect(readHeifSize(file)).toEqual(size);
  });
});

describe("the size of JPEG XL is as displayed", () => {
  const [small, large, plainPicture] = [
    [1, 1],
    [1, 0],
    [1, 1],
  ] as const;
  test.each<[string, Buffer, object]>([
    ["in eights, square", jxlCodestream(small, [5, 9], [3, 1], plainPicture), { width: 80, height: 80, isAnimated: false }],
    ["16 to 9", jxlCodestream(large, [2, 1], [13, 1079], [3, 5], plainPicture), { width: 1920, height: 1080, isAnimated: false }],
    ["any other", jxlCodestream(large, [2, 0], [9, 455], [3, 0], [2, 0], [9, 122], plainPicture), { width: 123, height: 456, isAnimated: false }],
    ["of a long side", jxlCodestream(large, [2, 1], [13, 8191], [3, 0], [2, 2], [18, 99_999], plainPicture), { width: 100_000, height: 8192, isAnimated: false }],
    ["of the longest sides", jxlCodestream(large, [2, 2], [18, 262_143], [3, 0], [2, 3], [30, 999_999], plainPicture), { width: 1_000_000, height: 262_144, isAnimated: false }],
    ["turned", jxlCodestream(large, [2, 0], [9, 455], [3, 0], [2, 0], [9, 122], [1, 0], [1, 1], [3, 5], [1, 0], [1, 0], [1, 0]), { width: 456, height: 123, isAnimated: false }],
    ["animated", jxlCodestream(small, [5, 9], [3, 1], [1, 0], [1, 1], [3, 0], [1, 0], [1, 0], [1, 1]), { width: 80, height: 80, isAnimated: true }],
  ])("the size of a JPEG XL is as displayed: %s", (_, file, expected) => {
    expect(readJxl(file)).toEqual(expected);
  }); // prettier-ignore

  test("the size of a JPEG XL in a container is read", () => {
    const codestream = jxlCodestream(small, [5, 9], [3, 1], plainPicture);
    const head = Buffer.concat([box("JXL ", "\r\n\x87\n"), fileType("jxl "), box("jxlp", uint(4, 0), codestream)]);
    expect(readJxl(head)).toMatchObject({ width: 80, height: 80 });
  });
});

describe("the size of an SVG is in CSS pixels", () => {
  const size = (width: number, height: number) => ({ width, height });
  test.each<[string, object | null]>([
    ['<svg width="120" height="80"/>', size(120, 80)],
    ["<svg height='1in' width='2.54cm'/>", size(96, 96)],
    ['<svg width="72pt" height="6pc"/>', size(96, 96)],
    ['<svg viewBox="0 0 300 100"/>', size(300, 100)],
    ['<svg viewBox="0,0,300,100" width="150"/>', size(150, 50)],
    ['<svg width="100%" height="100%" viewBox="0 0 30.4 10"/>', size(30, 10)],
    ['<svg width="10em" height="2ex"/>', size(160, 16)],
    ['<svg width="210mm" height="297mm"/>', size(794, 1123)],
    ['<svg style="fill: red; width: 2in; height:50PX !important" width="5" height="4"/>', size(192, 50)],
    ['<svg style="width:100%" width="5" viewBox="0 0 300 100"/>', size(300, 100)],
    ['<größe:svg xmlns:größe="http://www.w3.org/2000/svg" größe:a="1" width="7" height="8"/>', size(7, 8)],
    ["<svg/>", null],
    ['<svg data-width="9" width="5" height="4" x="', size(5, 4)],
    ['<?xml version="1.0"?><!-- <svg width="1" height="1"/> --><s:svg width="7" height="8"/>', size(7, 8)],
    ['<svg width="-5" height="4"/>', null],
    ['<svg width="1e99" height="4"/>', null],
  ])("the size of an SVG is in CSS pixels: %s", (text, expected) => {
    expect(readSvgSize(Buffer.from(text))).toEqual(expected);
    expect(readSvgSize(gzipSync(text))).toEqual(expected);
  });

  test("the size of an SVG behind a comment of 80 kB is read", () => {
    const text = `<!-- ${"licence ".repeat(10_000)} --><svg width="7" height="8"/>`;
    expect(readSvgSize(Buffer.from(text))).toEqual(size(7, 8));
  });

  test.each([
    ["UTF-16 LE with a byte order mark", (text: string) => Buffer.from(`\ufeff${text}`, "utf16le")],
    ["UTF-16 LE", (text: string) => Buffer.from(text, "utf16le")],
    ["UTF-16 BE with a byte order mark", (text: string) => Buffer.from(`\ufeff${text}`, "utf16le").swap16()],
    ["UTF-16 BE", (text: string) => Buffer.from(text, "utf16le").swap16()],
    ["ISO-8859-1", (text: string) => Buffer.from(text, "latin1")],
    ["UTF-8 with a byte order mark", (text: string) => Buffer.from(`\ufeff${text}`)],
  ])("an SVG in %s is sniffed and measured", (_, encode) => {
    const file = encode('<svg width="7" height="8"><!-- größer --></svg>');
    expect(sniff(file)).toMatchObject({ name: "svg" });
    expect(readSvgSize(file)).toEqual(size(7, 8));
  });

  test.each([
    [
      "that hardly repeats itself",
      (index: number) => `<path d="M${(index * 7919) % 10_007} ${(index * 104_729) % 9973}"/>`,
    ],
    ["of the same path again and again", () => '<path d="M1 2 3 4"/>'],
  ])("the size is found in a gzipped SVG of half a megabyte %s", (_, path) => {
    const head =
      '<?xml version="1.0"?>\n<!-- made by hand -->\n<svg xmlns="http://www.w3.org/2000/svg" width="120" height="80">';
    const drawing = gzipSync(`${head}${Array.from({ length: 20_000 }, (_, index) => path(index)).join("\n")}</svg>`);
    expect(sniff(drawing)).toMatchObject({ name: "svgz" });
    expect(readSvgSize(drawing)).toEqual(size(120, 80));
    expect(readSvgSize(drawing.subarray(0, 300))).toEqual(size(120, 80));
  });

  test("the size of an SVG is read again if its buffer has new content", () => {
    const memory = Buffer.alloc(200);
    for (const side of [3, 4]) {
      const length = gzipSync(`<svg width="${side}" height="9"/>`).copy(memory);
      expect(readSvgSize(memory.subarray(0, length))).toEqual(size(side, 9));
    }
  });

  test("a decompression bomb (gzip) is not inflated", () => {
    const bomb = gzipSync(Buffer.alloc(64 * 1024 ** 2));
    expect(readSvgSize(bomb)).toBeNull();
    expect(cpuMs(() => readSvgSize(bomb), 1)).toBeLessThan(20); // to inflate 64 MiB takes more than 100
  });
});

describe("the size of a TIFF", () => {
  const picture = () => sharp(plain(123, 45, [1, 2, 3, 255]), { raw: { width: 123, height: 45, channels: 4 } });

  test.each([1, 6])("the size of a TIFF is as displayed (orientation %i)", async (orientation) => {
    const file = await picture().withMetadata({ orientation }).tiff({ compression: "none" }).toBuffer();
    expect(readTiffSize(file)).toEqual(orientation === 1 ? { width: 123, height: 45 } : { width: 45, height: 123 });
  });

  test("the size of a BigTIFF is read", async () => {
    expect(readTiffSize(await picture().tiff({ bigtiff: true }).toBuffer())).toEqual({ width: 123, height: 45 });
  });
});

describe.each(formats.filter(({ readSize }) => readSize).map((format) => [format.name, format] as const))(
  "the size of %s",
  (name, { readSize }) => {
    test("a size parser returns a valid size or null for any bytes", () => {
      fc.assert(
        fc.property(fc.uint8Array({ maxLength: 400 }), fc.nat(400), (bytes, cut) => {
          const file = Buffer.concat([heads[name].subarray(0, cut), bytes]);
          const size = readSize!(file);
          if (!size) return;
          for (const side of [size.width, size.height]) expect(Number.isSafeInteger(side) && side > 0).toBe(true);
        }),
        { numRuns: 300 },
      );
    });

    test.each([0, 0xff])("a size parser takes less than 250 ms of CPU time for 16 MB of the byte %i", (value) => {
      const file = Buffer.concat([heads[name], Buffer.alloc(16 * 1024 ** 2, value)]);
      expect(cpuMs(() => readSize!(file), 2)).toBeLessThan(250);
    });
  },
);
