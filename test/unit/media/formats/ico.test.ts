import sharp from "sharp";
import { expect, test } from "vitest";
import { largestPicture, readIconSize } from "../../../../src/media/formats/ico.ts";
import { sniff } from "../../../../src/media/formats/sniff.ts";
import { plain } from "../../../support/images.ts";
import { iconOf } from "../../../support/worst-cases.ts";

const picture = (width: number, height: number) =>
  sharp(plain(width, height, [1, 200, 3, 255]), { raw: { width, height, channels: 4 } });

/** Directory entries that declare 1 x 1, and the pictures behind them. */
function iconWith(...pictures: readonly Buffer[]): Buffer {
  let at = 6 + 16 * pictures.length;
  const entries = pictures.map((bytes) => {
    const entry = Buffer.from([1, 1, 0, 0, 1, 0, 32, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    entry.writeUInt32LE(bytes.length, 8);
    entry.writeUInt32LE(at, 12);
    at += bytes.length;
    return entry;
  });
  return Buffer.concat([Buffer.from([0, 0, 1, 0, pictures.length, 0]), ...entries, ...pictures]);
}

/** A bitmap as icons have it: twice as high as the picture, without a file header. */
function bitmap(width: number, height: number, bytes: number): Buffer {
  const header = Buffer.alloc(bytes);
  header.writeUInt32LE(40, 0);
  header.writeInt32LE(width, 4);
  header.writeInt32LE(2 * height, 8);
  return header;
}

test("the largest picture of an icon is described, whether it is first or last in the list", async () => {
  const [small, large] = await Promise.all([picture(16, 16), picture(48, 32)].map((made) => made.png().toBuffer()));
  for (const file of [iconWith(small!, large!, bitmap(20, 20, 40)), iconWith(large!, bitmap(20, 20, 40), small!)]) {
    expect(largestPicture(file)).toEqual({ width: 48, height: 32, bytes: large });
  }
  expect(readIconSize(iconWith(small!, bitmap(64, 64, 40)))).toEqual({ width: 64, height: 64 });
});

test("the reserved byte of an icon's entry is 0, or 255 as .NET writes it", async () => {
  const file = iconWith(await picture(16, 16).png().toBuffer());
  const nameWith = (reserved: number) => sniff(Buffer.from(file.with(9, reserved)))?.name ?? null;
  expect([0, 255, 1].map(nameWith)).toEqual(["ico", "ico", null]);
});

test("of pictures of one size the one with the most bytes is described", () => {
  const file = iconWith(bitmap(16, 16, 40), bitmap(16, 16, 90), bitmap(16, 16, 50));
  expect(largestPicture(file)?.bytes).toHaveLength(90);
});

test("a PNG in an icon is as large as it is displayed, turned by its EXIF data", async () => {
  const turned = await picture(48, 32).withMetadata({ orientation: 6 }).png().toBuffer();
  expect(readIconSize(iconWith(turned))).toEqual({ width: 32, height: 48 });
});

test("a PNG in an icon has the size in its header; if that is cut off, the size in the list", async () => {
  const png = await picture(48, 32).png().toBuffer();
  const file = iconWith(png);
  expect(readIconSize(file.subarray(0, 22 + 30))).toEqual({ width: 48, height: 32 });
  expect(readIconSize(file.subarray(0, 22))).toEqual({ width: 1, height: 1 });
});

test("an icon whose entries share one picture is that picture", async () => {
  const png = await picture(48, 32).png().toBuffer();
  expect(largestPicture(iconOf(png, 300))).toEqual({ width: 48, height: 32, bytes: png });
});
