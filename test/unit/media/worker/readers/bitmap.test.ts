import { describe, expect, test } from "vitest";
import { type Bitmap, readBitmap, readBitmapPixels } from "../../../../../src/media/worker/readers/bitmap.ts";
import { reader } from "../../../../../src/media/worker/readers/bmp.ts";
import { reader as iconReader } from "../../../../../src/media/worker/readers/ico.ts";
import type { Raster } from "../../../../../src/media/raster.ts";
import { readIconSize } from "../../../../../src/media/formats/ico.ts";

const [red, green, blue, white] = [
  [255, 0, 0, 255],
  [0, 255, 0, 255],
  [0, 0, 255, 255],
  [255, 255, 255, 255],
] as const;
const colours = { red, green, blue, white };
const nameOf = (pixel: readonly number[]) =>
  Object.entries(colours).find(([, colour]) => colour.every((value, at) => value === pixel[at]))?.[0] ?? pixel.join();

interface Kind {
  readonly bits: number;
  readonly width?: number;
  readonly height?: number;
  readonly compression?: number;
  readonly masks?: readonly number[];
  readonly palette?: readonly number[];
}

/** A bitmap with a header of 40 bytes, by default of two columns. */
function dib(kind: Kind, pixels: readonly number[]): Buffer {
  const { bits, width = 2, height = 2, compression = 0, masks = [], palette = [] } = kind;
  const header = Buffer.alloc(40);
  header.writeUInt32LE(40, 0);
  header.writeInt32LE(width, 4);
  header.writeInt32LE(height, 8);
  header.writeUInt16LE(1, 12);
  header.writeUInt16LE(bits, 14);
  header.writeUInt32LE(compression, 16);
  header.writeUInt32LE(palette.length / 4, 32);
  const words = Buffer.alloc(4 * masks.length);
  masks.forEach((mask, index) => words.writeUInt32LE(mask, 4 * index));
  return Buffer.concat([header, words, Buffer.from(palette), Buffer.from(pixels)]);
}

function read(kind: Kind, pixels: readonly number[]): string[] {
  const bytes = dib(kind, pixels);
  return pixelsOf(readBitmapPixels(bytes, readBitmap(bytes, 0)!, bytes.length - pixels.length));
}

function pixelsOf({ width, height, rgba }: Raster): string[] {
  expect(rgba).toHaveLength(4 * width * height);
  return Array.from({ length: width * height }, (_, pixel) => nameOf([...rgba.subarray(4 * pixel, 4 * pixel + 4)]));
}

const palette = [0, 0, 255, 0, 0, 255, 0, 0, 255, 0, 0, 0, 255, 255, 255, 0]; // red, green, blue, white
// The upper row is red, green; the lower blue, white. In files the lower row is first.
const upright = ["red", "green", "blue", "white"];

describe("a bitmap of any encoding is read upright", () => {
  test.each<[string, Kind, readonly number[]]>([
    ["24 bits", { bits: 24 }, [255, 0, 0, 255, 255, 255, 0, 0, 0, 0, 255, 0, 255, 0, 0, 0]],
    ["24 bits without the padding of its last row", { bits: 24 }, [255, 0, 0, 255, 255, 255, 0, 0, 0, 0, 255, 0, 255, 0]],
    ["24 bits from the top", { bits: 24, height: -2 }, [0, 0, 255, 0, 255, 0, 0, 0, 255, 0, 0, 255, 255, 255, 0, 0]],
    ["32 bits with an unused fourth byte", { bits: 32 }, [255, 0, 0, 7, 255, 255, 255, 0, 0, 0, 255, 9, 0, 255, 0, 0]],
    ["16 bits", { bits: 16 }, [0x1f, 0, 0xff, 0x7f, 0, 0x7c, 0xe0, 0x03]],
    ["16 bits under masks", { bits: 16, compression: 3, masks: [0xf800, 0x7e0, 0x1f] }, [0x1f, 0, 0xff, 0xff, 0, 0xf8, 0xe0, 0x07]],
    ["8 bits", { bits: 8, palette }, [2, 3, 0, 0, 0, 1, 0, 0]],
    ["4 bits", { bits: 4, palette }, [0x23, 0, 0, 0, 0x01, 0, 0, 0]],
    ["runs of 8 bits", { bits: 8, compression: 1, palette }, [1, 2, 1, 3, 0, 0, 1, 0, 1, 1, 0, 1]],
    ["runs of 8 bits, some of them literal", { bits: 8, compression: 1, palette }, [0, 3, 2, 3, 3, 0, 0, 0, 1, 0, 1, 1, 0, 1]],
    ["runs of 4 bits", { bits: 4, compression: 2, palette }, [2, 0x23, 0, 0, 2, 0x01, 0, 1]],
  ])("a bitmap of %s is read upright", (_, kind, pixels) => {
    expect(read(kind, pixels)).toEqual(upright);
  }); // prettier-ignore

  test("a bitmap of 1 bit with a palette of two colours is read upright", () => {
    expect(read({ bits: 1, palette: palette.slice(0, 8) }, [0b0100_0000, 0, 0, 0, 0b1000_0000, 0, 0, 0])).toEqual(
      ["green", "red", "red", "green"], // the upper row first
    );
  });

  test("the alpha mask of a bitmap is applied", () => {
    const masks = [0xff0000, 0xff00, 0xff, 0xff000000];
    const half = [0, 0, 255, 128];
    expect(read({ bits: 32, compression: 6, masks }, [...half, ...half, ...half, ...half])).toEqual(
      Array(4).fill("255,0,0,128"),
    );
  });

  const rows = [
    ["red", "green", "blue", "white", "green", "green", "white", "blue", "red", "white"],
    ["blue", "blue", "green", "red", "white", "red", "green", "white", "white", "red"],
  ] as const;
  const twoColours = rows.map((row) => row.map((name) => (name === "red" || name === "blue" ? "red" : "green")));
  const words = (...values: readonly number[]) => values.flatMap((value) => [value & 255, value >> 8]);
  const [r, g, b, w] = [0x7c00, 0x03e0, 0x001f, 0x7fff];

  test.each<[string, Kind, readonly (readonly string[])[], readonly number[]]>([
    ["1 bit", { bits: 1, palette: palette.slice(0, 8) }, twoColours, [0b0010_1011, 0b1000_0000, 0, 0, 0b0101_1110, 0b0100_0000, 0, 0]],
    ["2 bits", { bits: 2, palette }, rows, [0b10_10_01_00, 0b11_00_01_11, 0b11_00_0000, 0, 0b00_01_10_11, 0b01_01_11_10, 0b00_11_0000, 0]],
    ["4 bits", { bits: 4, palette }, rows, [0x22, 0x10, 0x30, 0x13, 0x30, 0, 0, 0, 0x01, 0x23, 0x11, 0x32, 0x03, 0, 0, 0]],
    ["8 bits", { bits: 8, palette }, rows, [2, 2, 1, 0, 3, 0, 1, 3, 3, 0, 0, 0, 0, 1, 2, 3, 1, 1, 3, 2, 0, 3, 0, 0]],
    ["16 bits", { bits: 16 }, rows, [...words(b, b, g, r, w, r, g, w, w, r), ...words(r, g, b, w, g, g, w, b, r, w)]],
  ])("each pixel of two rows of ten is in its place: %s", (_, kind, expected, pixels) => {
    expect(read({ ...kind, width: 10 }, pixels)).toEqual(expected.flat());
    expect(read({ ...kind, width: 10, height: -2 }, pixels)).toEqual(expected.toReversed().flat());
  }); // prettier-ignore

  test("rows begin at multiples of four bytes", () => {
    const row = (last: number) => [0, 0, 0, 0, last, 0, 0, 0]; // 33 pixels
    const shown = read({ bits: 1, width: 33, palette: palette.slice(0, 8) }, [...row(0b1000_0000), ...row(0)]);
    expect(shown.map((name, at) => (name === "green" ? at : null)).filter((at) => at !== null)).toEqual([65]);
  });

  test("masks of bits that a pixel does not have select nothing of the next pixel", () => {
    const masks = [0xff0000, 0x7e0, 0x1f];
    expect(read({ bits: 16, height: 1, compression: 3, masks }, [0x1f, 0, 0xff, 0xff])).toEqual(["blue", "0,255,255,255"]); // prettier-ignore
  });

  test("levels of five bits are scaled to 0 to 255, to the nearest", () => {
    const scaled = [[0, 0], [1, 8], [8, 66], [16, 132], [23, 189], [30, 247], [31, 255]] as const; // prettier-ignore
    for (const [level, value] of scaled) {
      const pixels = [...words(level << 10, level << 5), ...words(level, (level << 10) | level)];
      const expected = [[0, 0, value, 255], [value, 0, value, 255], [value, 0, 0, 255], [0, value, 0, 255]]; // prettier-ignore
      const bytes = dib({ bits: 16 }, pixels);
      const { rgba } = readBitmapPixels(bytes, readBitmap(bytes, 0)!, 40);
      expect([...rgba]).toEqual(expected.flat());
    }
  });

  test("the runs of a bitmap with fewer pixels than it has are continued with the first colour", () => {
    const leftOut = [1, 2, 0, 0, 1, 1, 0, 1];
    expect(read({ bits: 8, compression: 1, palette }, leftOut)).toEqual(["green", "red", "blue", "red"]);
  });

  test.each<[string, Kind, readonly number[], readonly string[]]>([
    ["a step to another place", { bits: 8, width: 3, height: 3, compression: 1, palette }, [1, 1, 0, 2, 1, 1, 1, 3, 0, 2, 0, 1, 0, 1], ["red", "red", "red", "red", "red", "white", "green", "red", "red"]],
    ["pixels behind a step", { bits: 8, width: 3, height: 3, compression: 1, palette }, [0, 2, 1, 2, 1, 3, 0, 1], ["red", "white", "red", "red", "red", "red", "red", "red", "red"]],
    ["runs from the top", { bits: 8, height: -2, compression: 1, palette }, [1, 0, 1, 1, 0, 0, 1, 2, 1, 3, 0, 1], upright],
    ["runs that end with their last row", { bits: 8, compression: 1, palette }, [1, 2, 1, 3, 0, 0, 1, 0, 1, 1, 0, 0, 0, 2], upright],
    ["a run beyond the end of its row", { bits: 8, compression: 1, palette }, [1, 2, 1, 3, 0, 0, 1, 0, 4, 1, 0, 1], upright],
    ["a run beyond the last row", { bits: 8, compression: 1, palette }, [1, 2, 1, 3, 0, 0, 1, 0, 1, 1, 0, 0, 9, 3, 0, 1], upright],
    ["a run of 4 bits of odd length", { bits: 4, width: 3, height: 1, compression: 2, palette }, [3, 0x12, 0, 1], ["green", "blue", "green"]],
    ["3 literal pixels of 4 bits", { bits: 4, width: 5, height: 1, compression: 2, palette }, [0, 3, 0x12, 0x30, 2, 0x21, 0, 1], ["green", "blue", "white", "blue", "green"]],
    ["5 literal pixels of 4 bits", { bits: 4, width: 6, height: 1, compression: 2, palette }, [0, 5, 0x12, 0x31, 0x20, 0xff, 1, 0x30, 0, 1], ["green", "blue", "white", "green", "blue", "white"]],
    ["8 literal pixels of 4 bits", { bits: 4, width: 9, height: 1, compression: 2, palette }, [0, 8, 0x12, 0x31, 0x20, 0x12, 1, 0x30, 0, 1], ["green", "blue", "white", "green", "blue", "red", "green", "blue", "white"]],
    ["4 literal pixels of 8 bits", { bits: 8, width: 5, height: 1, compression: 1, palette }, [0, 4, 1, 2, 3, 1, 1, 2, 0, 1], ["green", "blue", "white", "green", "blue"]],
  ])("the runs of a bitmap are read: %s", (_, kind, pixels, expected) => {
    expect(read(kind, pixels)).toEqual(expected);
  }); // prettier-ignore

  test("a colour that the palette has not, or the file has not, is black", () => {
    const cut = dib({ bits: 8, width: 1, height: 1 }, []);
    const black = ["0,0,0,255"];
    expect(pixelsOf(readBitmapPixels(cut, readBitmap(cut, 0)!, 20))).toEqual(black); // a pixel of value 0
    expect(read({ bits: 8, width: 1, height: 1, palette: palette.slice(0, 12) }, [3])).toEqual(black);
    expect(read({ bits: 8, width: 1, height: 1, palette: palette.slice(0, 12) }, [255])).toEqual(black);
  });
});

describe("the header of a bitmap has one of several lengths", () => {
  const masks = [0xf800, 0x7e0, 0x1f];
  const grey = [0xef, 0x7b]; // 15 of 31, 31 of 63, 15 of 31
  const value = "123,125,123";

  /** A bitmap of one pixel, with a header of so many bytes, in which the masks follow the first 40. */
  function withHeader(bytes: number, bits: number, compression: number, rest: readonly number[]): Buffer {
    const header = Buffer.alloc(Math.max(bytes, 40));
    header.writeUInt32LE(bytes, 0);
    header.writeInt32LE(1, 4);
    header.writeInt32LE(1, 8);
    header.writeUInt16LE(1, 12);
    header.writeUInt16LE(bits, 14);
    header.writeUInt32LE(compression, 16);
    if (bytes > 40) [...masks, 0x8000].forEach((mask, at) => at * 4 + 40 < bytes && header.writeUInt32LE(mask, 40 + at * 4));
    return Buffer.concat([header.subarray(0, bytes), Buffer.from(rest)]);
  } // prettier-ignore

  const word = (value: number) => [value & 255, (value >> 8) & 255, 0, 0];
  const behind = masks.flatMap(word);

  test.each<[number, number, readonly number[], string]>([
    [40, 3, behind, `${value},255`],
    [40, 6, [...behind, ...word(0x8000)], `${value},0`],
    [52, 3, [], `${value},255`],
    [52, 6, [], `${value},255`],
    [56, 3, [], `${value},0`],
    [56, 6, [], `${value},0`],
    [64, 3, [], `${value},0`],
    [108, 3, [], `${value},0`],
    [124, 3, [], `${value},0`],
  ])("%i bytes: the masks of compression %i are found", (bytes, compression, more, expected) => {
    const file = Buffer.concat([Buffer.alloc(5), withHeader(bytes, 16, compression, [...more, ...grey])]);
    const { rgba } = readBitmapPixels(file, readBitmap(file, 5)!, file.length - 2);
    expect(rgba.join()).toBe(expected);
  });

  test.each([16, 40, 64, 108])("%i bytes: the palette is behind the header", (bytes) => {
    const file = Buffer.concat([Buffer.alloc(5), withHeader(bytes, 8, 0, [...palette, 2])]);
    const bitmap = readBitmap(file, 5)!;
    expect(bitmap).toMatchObject({ width: 1, height: 1, bitsAPixel: 8, palette: { at: 5 + bytes, colours: 256 } });
    expect(pixelsOf(readBitmapPixels(file, bitmap, file.length - 1))).toEqual(["blue"]);
  });

  test("12 bytes, of OS/2: the numbers are shorter, and colours have three bytes", () => {
    const header = Buffer.from([12, 0, 0, 0, 2, 0, 1, 0, 1, 0, 1, 0]);
    const file = Buffer.concat([header, Buffer.from([0, 0, 255, 0, 255, 0]), Buffer.from([0b0100_0000, 0, 0, 0])]);
    const bitmap = readBitmap(file, 0)!;
    expect(bitmap).toMatchObject({ width: 2, height: 1, isTopDown: false, palette: { at: 12, colours: 2, bytes: 3 } });
    expect(pixelsOf(readBitmapPixels(file, bitmap, 18))).toEqual(["red", "green"]);
  });

  test.each([
    [1, 0, 2],
    [4, 0, 16],
    [8, 0, 256],
    [8, 1, 1],
    [8, 255, 255],
    [8, 300, 256],
    [9, 0, 0],
    [24, 0, 0],
    [24, 7, 0],
  ])("a bitmap of %i bits that declares %i colours has a palette of %i", (bits, declared, colours) => {
    const bytes = dib({ bits }, []);
    bytes.writeUInt32LE(declared, 32);
    expect(readBitmap(bytes, 0)!.palette.colours).toBe(colours);
  });
});

describe("a bitmap file", () => {
  /** A file whose pixels, or the picture in their place, begin ten bytes behind the header. */
  const file = (kind: Kind, pixels: readonly number[]) => {
    const header = Buffer.alloc(14);
    header.write("BM");
    header.writeUInt32LE(14 + 40 + 10, 10);
    return Buffer.concat([header, dib(kind, [...Array<number>(10).fill(9), ...pixels])]);
  };

  test("the pixels of a bitmap file begin at the offset in its header", async () => {
    const shown = await reader.show(file({ bits: 24, width: 1, height: 1 }, [0, 0, 255]));
    expect(shown && "raster" in shown && pixelsOf(shown.raster)).toEqual(["red"]);
  });

  test.each([
    ["JPEG", 4],
    ["PNG", 5],
  ])("the %s in a bitmap file is its picture", async (_, compression) => {
    expect(await reader.show(file({ bits: 0, compression }, [1, 2, 3]))).toEqual({ picture: Buffer.from([1, 2, 3]) });
  });
});

describe("an invalid bitmap is rejected", () => {
  test.each<[string, Kind, readonly number[]]>([
    ["with pixels missing", { bits: 24 }, [255, 0, 0, 255]],
    ["with its last byte missing", { bits: 24 }, [255, 0, 0, 255, 255, 255, 0, 0, 0, 0, 255, 0, 255]],
    ["of 7 bits", { bits: 7 }, Array.from({ length: 64 }, () => 0)],
    ["whose runs do not end", { bits: 8, compression: 1, palette }, [2, 0]],
    ["of an unknown compression", { bits: 24, compression: 9 }, Array.from({ length: 64 }, () => 0)],
    ["of 8 bits whose runs are of 4 bits", { bits: 8, compression: 2, palette }, [0, 1]],
    ["of 4 bits whose runs are of 8 bits", { bits: 4, compression: 1, palette }, [0, 1]],
    ["whose 9 pixels of 1 bit are a byte short", { bits: 1, width: 9, height: 1, palette }, [0]],
  ])("a bitmap %s is rejected", (_, kind, pixels) => {
    expect(() => read(kind, pixels)).toThrow();
  });

  test("the runs of a bitmap draw nothing beyond its edges", () => {
    const runs = [0, 2, 255, 255, 9, 1, 0, 1];
    expect(read({ bits: 8, compression: 1, palette }, runs)).toEqual(["red", "red", "red", "red"]);
  });

  test("a bitmap of width 0 is rejected", () => {
    const bytes = dib({ bits: 24 }, []);
    bytes.writeInt32LE(0, 4);
    expect(readBitmap(bytes, 0)).toBeNull();
  });

  test("a bitmap that ends after its signature is rejected", async () => {
    await expect(reader.show(Buffer.from("BM"))).rejects.toThrow();
  });
});

describe("an icon", () => {
  const icon = (...pictures: readonly (readonly [side: number, bytes: Buffer])[]) => {
    let at = 6 + 16 * pictures.length;
    const entries = pictures.map(([side, bytes]) => {
      const entry = Buffer.alloc(16);
      entry.set([side, side]);
      entry.writeUInt32LE(bytes.length, 8);
      entry.writeUInt32LE(at, 12);
      at += bytes.length;
      return entry;
    });
    return Buffer.concat([
      Buffer.from([0, 0, 1, 0, pictures.length, 0]),
      ...entries,
      ...pictures.map(([, bytes]) => bytes),
    ]);
  };
  const pixels = [255, 0, 0, 255, 255, 255, 0, 0, 0, 0, 255, 0, 255, 0, 0, 0];

  test("the mask of an icon makes pixels transparent", async () => {
    const mask = [0b1000_0000, 0, 0, 0, 0, 0, 0, 0]; // the lower left one is hidden
    const shown = await iconReader.show(icon([2, dib({ bits: 24, height: 4 }, [...pixels, ...mask])]));
    expect(shown && "raster" in shown && pixelsOf(shown.raster)).toEqual(["red", "green", "0,0,255,0", "white"]);
  });

  const row = (...bytes: readonly number[]) => [...bytes, ...Array<number>((4 - (bytes.length % 4)) % 4).fill(0)];
  const show = async (bitmap: Buffer, side = 2) => {
    const shown = await iconReader.show(icon([side, bitmap]));
    return shown && "raster" in shown ? pixelsOf(shown.raster) : null;
  };
  const visibilityOf = (pixels: readonly string[]) =>
    pixels.map((pixel) => (pixel.endsWith(",0") ? "hidden" : "shown"));

  test("the mask of an icon has a bit for each pixel, in rows of whole words, the lowest row first", async () => {
    const mask = [...row(0b1000_0001, 0b1000_0000), ...row(0b0100_0000, 0b0100_0000)];
    const read = async (height: number) =>
      visibilityOf(
        (await show(dib({ bits: 8, width: 10, height, palette }, [...Array<number>(24).fill(9), ...mask]), 10))!,
      );
    const [h, s] = ["hidden", "shown"];
    const [lower, upper] = [
      [h, s, s, s, s, s, s, h, h, s],
      [s, h, s, s, s, s, s, s, s, h],
    ];
    expect(await read(4)).toEqual([...upper, ...lower]);
    expect(await read(-4)).toEqual([...lower, ...upper]);
  });

  test("each pixel of an icon of 33 columns has its bit of the mask", async () => {
    const mask = [...row(0b1000_0000, 0b0100_0000, 0b0010_0000, 1, 0b1000_0000), ...row(0b0000_0001, 0b0000_0001, 0, 0b0001_0000, 0)]; // prettier-ignore
    const bitmap = dib({ bits: 8, width: 33, height: 4, palette }, [...Array<number>(72).fill(9), ...mask]);
    const hidden = visibilityOf((await show(bitmap, 33))!).flatMap((name, at) => (name === "hidden" ? at : []));
    expect(hidden).toEqual([7, 15, 27, ...[0, 9, 18, 31, 32].map((column) => 33 + column)]); // the upper row first
  });

  test("an icon without its mask is opaque", async () => {
    const bitmap = dib({ bits: 8, width: 8, height: 2, palette }, [0, 1, 2, 3, 0, 1, 2, 3]);
    expect(await show(bitmap, 8)).toEqual([...upright, ...upright].map((_, at) => Object.keys(colours)[at % 4]));
  });

  test("the fourth byte of an icon of 32 bits is its opacity, and its mask does not count", async () => {
    const lower = [255, 0, 0, 255, 255, 255, 255, 1];
    const upper = [0, 0, 255, 0, 0, 255, 0, 128];
    const bitmap = dib({ bits: 32, height: 4 }, [...lower, ...upper, ...row(0xff), ...row(0xff)]);
    expect(await show(bitmap)).toEqual(["255,0,0,0", "0,255,0,128", "blue", "255,255,255,1"]);
  });

  test("the mask of an icon of 32 bits counts if no pixel has opacity", async () => {
    const lower = [255, 0, 0, 0, 255, 255, 255, 0];
    const upper = [0, 0, 255, 0, 0, 255, 0, 0];
    const bitmap = dib({ bits: 32, height: 4 }, [...lower, ...upper, ...row(0), ...row(0b0100_0000)]);
    expect(await show(bitmap)).toEqual(["red", "0,255,0,0", "blue", "white"]);
  });

  test("the pixels of an icon are behind its palette and its colour masks", async () => {
    const masks = [0xf800, 0x7e0, 0x1f];
    const pixels16 = [0x1f, 0, 0xff, 0xff, 0, 0xf8, 0xe0, 0x07];
    expect(await show(dib({ bits: 16, height: 4, compression: 3, masks }, pixels16))).toEqual(upright);
    expect(await show(dib({ bits: 8, height: 4, palette }, [...row(2, 3), ...row(0, 1)]))).toEqual(upright);
  });

  test("the PNG in an icon is its picture", async () => {
    const file = Buffer.concat([Buffer.from("\x89PNG\r\n\x1a\n", "latin1"), Buffer.alloc(40, 1)]);
    expect(await iconReader.show(icon([2, file]))).toEqual({ picture: file });
  });

  test.each([
    ["without a picture", icon()],
    ["whose picture is neither a bitmap nor a PNG", icon([2, Buffer.alloc(60, 255)])],
  ])("an icon %s is rejected", async (_, file) => {
    await expect(iconReader.show(file)).rejects.toThrow("no bitmap");
  });

  test("an icon has the size of its largest picture, by the picture's own header", () => {
    const large = Buffer.from(dib({ bits: 24, height: 120 }, []));
    large.writeInt32LE(60, 4);
    expect(readIconSize(icon([32, large], [48, Buffer.alloc(9)]))).toEqual({ width: 60, height: 60 });
    expect(readIconSize(icon([0, Buffer.alloc(9)]))).toEqual({ width: 256, height: 256 });
  });
});

test("the header of a bitmap gives size, bits a pixel and palette", () => {
  const bitmap: Bitmap = readBitmap(dib({ bits: 8, palette }, []), 0)!;
  expect(bitmap).toMatchObject({ width: 2, height: 2, bitsAPixel: 8, palette: { at: 40, colours: 4, bytes: 4 } });
});
