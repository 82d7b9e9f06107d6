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
  readonly height?: number;
  readonly compression?: number;
  readonly masks?: readonly number[];
  readonly palette?: readonly number[];
}

/** A bitmap of two columns, with a header of 40 bytes. */
function dib({ bits, height = 2, compression = 0, masks = [], palette = [] }: Kind, pixels: readonly number[]): Buffer {
  const header = Buffer.alloc(40);
  header.writeUInt32LE(40, 0);
  header.writeInt32LE(2, 4);
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
    expect(read({ bits: 32, compression: 6, masks }, [...half, ...half, ...half, ...half])).toContain("255,0,0,128");
  });
});

describe("an invalid bitmap is rejected", () => {
  test.each<[string, Kind, readonly number[]]>([
    ["with pixels missing", { bits: 24 }, [255, 0, 0, 255]],
    ["with its last byte missing", { bits: 24 }, [255, 0, 0, 255, 255, 255, 0, 0, 0, 0, 255, 0, 255]],
    ["of 7 bits", { bits: 7 }, Array.from({ length: 64 }, () => 0)],
    ["whose runs do not end", { bits: 8, compression: 1, palette }, [2, 0]],
    ["of an unknown compression", { bits: 24, compression: 9 }, Array.from({ length: 64 }, () => 0)],
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
