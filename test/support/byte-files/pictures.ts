import { box, fileType, latin1, png } from "../heads.ts";
import { jxlCodestream } from "../stream-heads.ts";
import { chunk, uintLE } from "../track-bytes.ts";
import { uint } from "../worst-cases.ts";
import { concat, far, full, riff } from "./parts.ts";

// JPEG (ITU-T T.81)

const segment = (marker: number, content: Buffer) =>
  concat([Buffer.from([0xff, marker]), uint(2, content.length + 2), content]);
const jpegFrame = (marker: number, width: number, height: number, components = 3, depth = 8) =>
  segment(
    marker,
    concat([
      Buffer.from([depth]),
      uint(2, height),
      uint(2, width),
      Buffer.from([
        components,
        ...Array.from({ length: components }, (_, at) => [at + 1, 0x11, at > 0 ? 1 : 0]).flat(),
      ]),
    ]),
  );
const jpegScan = (components: readonly number[], first = 0, last = 63, bits = 0, data = 40) =>
  concat([
    segment(0xda, Buffer.from([components.length, ...components.flatMap((id) => [id, 0]), first, last, bits])),
    Buffer.alloc(data, "ab\xff\0cd\xff\xd0", "latin1"),
  ]);
const quantisers = (value: number, wide = false) =>
  segment(
    0xdb,
    concat(
      [0, 1].map((table) =>
        concat([Buffer.from([table | (wide ? 16 : 0)]), Buffer.alloc(64 * (wide ? 2 : 1), uint(wide ? 2 : 1, value))]),
      ),
    ),
  );
const jpeg = (...segments: readonly Buffer[]) => concat([latin1("\xff\xd8"), ...segments, latin1("\xff\xd9")]);

/** A directory of TIFF: tag, type, value. */
function directory(isLittle: boolean, entries: readonly (readonly [number, number, number])[], next = 0): Buffer {
  const number = isLittle ? uintLE : uint;
  const value = (type: number, data: number) =>
    type === 3 ? concat([number(2, data), Buffer.alloc(2)]) : number(4, data);
  return concat([
    number(2, entries.length),
    ...entries.map(([tag, type, data]) => concat([number(2, tag), number(2, type), number(4, 1), value(type, data)])),
    number(4, next),
  ]);
}
const tiffHeader = (isLittle: boolean) =>
  isLittle ? concat([latin1("II*\0"), uintLE(4, 8)]) : concat([latin1("MM\0*"), uint(4, 8)]);
const orientation = (isLittle: boolean, turn: number) =>
  concat([tiffHeader(isLittle), directory(isLittle, [[0x112, 3, turn]])]);
const exif = (data: Buffer) => segment(0xe1, concat([latin1("Exif\0\0"), data]));
function exifThumbnail(isLittle: boolean, turn: number, thumbnail: Buffer): Buffer {
  const main = directory(
    isLittle,
    [
      [0x10f, 4, 1],
      [0x112, 3, turn],
    ],
    8 + 30,
  );
  const small = directory(isLittle, [
    [0x103, 3, 6],
    [0x201, 4, 8 + 30 + 42],
    [0x202, 4, thumbnail.length],
  ]);
  return concat([tiffHeader(isLittle), main, small, thumbnail]);
}
const smallJpeg = jpeg(quantisers(2), jpegFrame(0xc0, 150, 100), jpegScan([1, 2, 3]));
const photo = [quantisers(2), jpegFrame(0xc0, 900, 600), jpegScan([1, 2, 3])];
const averages = [
  segment(0xe0, latin1("JFIF\0\x01\x01\0\0\x01\0\x01\0\0")),
  quantisers(2),
  jpegFrame(0xc2, 900, 600),
  jpegScan([1, 2, 3], 0, 0, 1, 900),
  jpegScan([1], 1, 63, 2, 100_000),
  jpegScan([1, 2, 3], 0, 0, 0x10, 900),
];

const jpegs = {
  "a JPEG with a thumbnail": jpeg(exif(exifThumbnail(false, 6, smallJpeg)), ...photo),
  "a JPEG with a thumbnail in little-endian order": jpeg(
    segment(0xe0, latin1("JFIF\0")),
    exif(exifThumbnail(true, 1, smallJpeg)),
    ...photo,
  ),
  "a JPEG with a thumbnail that is cropped": jpeg(
    exif(exifThumbnail(true, 3, jpeg(jpegFrame(0xc0, 160, 120)))),
    ...photo,
  ),
  "a turned JPEG": jpeg(segment(0xfe, latin1("a comment")), exif(orientation(true, 6)), ...photo),
  "a grey JPEG of 12 bits": jpeg(quantisers(9, true), jpegFrame(0xc1, 20, 10, 1, 12), jpegScan([1])),
  "a JPEG of four colours with fill bytes": jpeg(
    latin1("\xff\xff"),
    jpegFrame(0xc0, 20, 10, 4),
    latin1("\xff"),
    jpegScan([1, 2, 3, 4]),
  ),
  "a JPEG in scans of one component": jpeg(
    quantisers(2),
    jpegFrame(0xc0, 200, 100),
    jpegScan([1]),
    jpegScan([2]),
    jpegScan([3]),
  ),
  "a progressive JPEG": jpeg(...averages),
  "a progressive JPEG of coarse averages": jpeg(quantisers(40), ...averages.slice(2)),
  "a progressive JPEG whose averages come one by one": jpeg(
    quantisers(1, true),
    jpegFrame(0xca, 600, 512),
    jpegScan([1], 0, 0, 0, 300),
    jpegScan([2], 0, 0, 1, 300),
    jpegScan([3], 0, 0, 0, 300),
    jpegScan([1], 1, 5, 2, 100_000),
  ),
  "a small progressive JPEG": jpeg(
    quantisers(2),
    jpegFrame(0xc2, 511, 900),
    jpegScan([1, 2, 3], 0, 0, 1, 900),
    jpegScan([1], 1, 63, 2, 100_000),
  ),
};

// PNG

const pngHeader = (width: number, height: number, depth = 8, type = 2, interlace = 0) =>
  concat([uint(4, width), uint(4, height), Buffer.from([depth, type, 0, 0, interlace])]);
const frameControl = (number: number, width = 30, height = 20) =>
  concat([...[number, width, height, 0, 0].map((value) => uint(4, value)), uint(2, 1), uint(2, 10), uint(2, 0)]);
const pixels = Buffer.alloc(60, "pixels");
const end: [string, Buffer] = ["IEND", Buffer.alloc(0)];
const pngs = {
  "a PNG": png(
    ["IHDR", pngHeader(30, 20)],
    ["tEXt", latin1("Title\0a")],
    ["IDAT", pixels],
    ["zTXt", latin1("b\0\0c")],
    ["IDAT", pixels],
    end,
  ),
  "an interlaced PNG of a palette": png(
    ["IHDR", pngHeader(30, 20, 4, 3, 1)],
    ["PLTE", Buffer.alloc(48)],
    ["tRNS", Buffer.alloc(16)],
    ["IDAT", pixels],
    end,
  ),
  "a PNG of 16 bits": png(["IHDR", pngHeader(30, 20, 16, 6)], ["iTXt", latin1("a\0")], ["IDAT", pixels], end),
  "a grey PNG": png(["IHDR", pngHeader(30, 20, 8, 0)], ["IDAT", pixels], end),
  "a grey PNG with opacity": png(["IHDR", pngHeader(30, 20, 16, 4, 1)], ["IDAT", pixels], end),
  "a turned PNG": png(
    ["IHDR", pngHeader(30, 20)],
    ["iCCP", Buffer.alloc(300)],
    ["eXIf", orientation(false, 8)],
    ["IDAT", pixels],
    end,
  ),
  "a PNG that is turned behind its pixels": png(
    ["IHDR", pngHeader(30, 20)],
    ["IDAT", pixels],
    ["eXIf", orientation(true, 5)],
    end,
  ),
  "a PNG of Apple": png(["CgBI", full], ["IHDR", pngHeader(30, 20)], ["IDAT", pixels], end),
  "an animated PNG": png(
    ["IHDR", pngHeader(30, 20)],
    ["acTL", concat([uint(4, 2), full])],
    ["fcTL", frameControl(0)],
    ["IDAT", pixels],
    ["IDAT", pixels],
    ["fcTL", frameControl(1)],
    ["fdAT", pixels],
    end,
  ),
  "an animated PNG whose default image is hidden": png(
    ["IHDR", pngHeader(30, 20)],
    ["acTL", concat([uint(4, 2), full])],
    ["IDAT", pixels],
    ["fcTL", frameControl(0)],
    ["fdAT", concat([uint(4, 1), pixels])],
    ["fdAT", concat([uint(4, 2), pixels])],
    ["fcTL", frameControl(3)],
    ["fdAT", pixels],
    end,
  ),
  "an animated PNG of one frame": png(
    ["IHDR", pngHeader(30, 20)],
    ["acTL", concat([uint(4, 1), full])],
    ["fcTL", frameControl(0)],
    ["IDAT", pixels],
    end,
  ),
};

// GIF, WebP

const gifScreen = latin1("GIF89a\x5a\0\x3c\0\x80\0\0abcdef");
const gifControl = (flags: number) => concat([latin1("!\xf9\x04"), Buffer.from([flags, 10, 0, 1]), Buffer.alloc(1)]);
const gifImage = (bytes = 200, colours = 0) =>
  concat([
    latin1(","),
    Buffer.from([0, 0, 0, 0, 0x5a, 0, 0x3c, 0, colours]),
    Buffer.alloc(colours === 0 ? 0 : 6, 1),
    Buffer.from([2, bytes]),
    Buffer.alloc(bytes, 5),
    Buffer.from([9]),
    Buffer.alloc(9, 6),
    Buffer.alloc(1),
  ]);
const gifs = {
  "a GIF": concat([gifScreen, gifImage(), latin1(";")]),
  "a GIF with a comment behind its image": concat([
    latin1("GIF87a\x5a\0\x3c\0\0\0\0"),
    gifImage(200, 0x80),
    latin1("!\xfe\x05hello\0;"),
  ]),
  "an animated GIF": concat([
    gifScreen,
    latin1("!\xff\x0bNETSCAPE2.0\x03\x01\0\0\0"),
    gifControl(0),
    gifImage(),
    gifControl(0),
    gifImage(90, 0x80),
    gifControl(1),
    gifImage(80),
    latin1(";"),
  ]),
  "an animated transparent GIF": concat([gifScreen, gifControl(1), gifImage(), gifControl(0), gifImage(), latin1(";")]),
};

const lossy = chunk(
  "VP8 ",
  concat([latin1("\x30\x01\0\x9d\x01\x2a"), uintLE(2, 0x4000 + 300), uintLE(2, 0x8000 + 200), Buffer.alloc(51, 7)]),
);
const lossless = chunk("VP8L", concat([Buffer.from([0x2f]), uintLE(4, 299 + 199 * 2 ** 14), Buffer.alloc(40, 7)]));
const extended = (flags: number, width = 300, height = 200) =>
  chunk("VP8X", concat([Buffer.from([flags, 0, 0, 0]), uintLE(3, width - 1), uintLE(3, height - 1)]));
const webpFrame = (width: number, height: number) =>
  chunk(
    "ANMF",
    concat([Buffer.alloc(6), uintLE(3, width - 1), uintLE(3, height - 1), uintLE(3, 100), Buffer.alloc(1), lossy]),
  );
const webps = {
  "a lossy WebP": riff("WEBP", lossy),
  "a lossless WebP": riff("WEBP", lossless),
  "a WebP with opacity": riff("WEBP", extended(16), chunk("ALPH", Buffer.alloc(31)), lossy),
  "a WebP with a profile": riff("WEBP", extended(0x20, 70_000, 2), chunk("ICCP", Buffer.alloc(100)), lossless),
  "a WebP with EXIF data": riff(
    "WEBP",
    extended(8),
    lossy,
    chunk("EXIF", orientation(true, 6)),
    chunk("XMP ", Buffer.alloc(20)),
  ),
  "an animated WebP": riff(
    "WEBP",
    extended(2),
    chunk("ANIM", Buffer.alloc(6)),
    webpFrame(300, 200),
    webpFrame(300, 200),
    webpFrame(20, 200),
  ),
  "an animated WebP of opaque frames": riff(
    "WEBP",
    extended(2),
    chunk("ANIM", Buffer.alloc(6)),
    webpFrame(300, 200),
    webpFrame(300, 200),
  ),
  "an animated transparent WebP": riff(
    "WEBP",
    extended(18),
    chunk("ANIM", Buffer.alloc(6)),
    webpFrame(300, 200),
    webpFrame(300, 200),
    webpFrame(20, 20),
  ),
  "an animated WebP of one frame": riff("WEBP", extended(2), chunk("ANIM", Buffer.alloc(6)), webpFrame(300, 200)),
  "a WebP of a large canvas": riff(
    "WEBP",
    extended(2, 2 ** 14 + 1, 5),
    webpFrame(2 ** 14 + 1, 5),
    webpFrame(2 ** 14 + 1, 5),
  ),
};

// Others

const tiff = (isLittle: boolean, turn: number) =>
  concat([
    tiffHeader(isLittle),
    directory(isLittle, [
      [256, 3, 30],
      [257, 4, 20],
      [274, 3, turn],
      [305, 2, 1],
    ]),
  ]);
const ico = (...entries: readonly (readonly [number, number, Buffer])[]) => {
  let at = 6 + 16 * entries.length;
  const list = entries.map(([width, height, data]) => {
    at += data.length;
    return concat([
      Buffer.from([width, height, 0, 0, 1, 0, 32, 0]),
      uintLE(4, data.length),
      uintLE(4, at - data.length),
    ]);
  });
  return concat([Buffer.from([0, 0, 1, 0, entries.length, 0]), ...list, ...entries.map(([, , data]) => data)]);
};
const dib = (width: number, height: number) =>
  concat([
    uintLE(4, 40),
    uintLE(4, width),
    uintLE(4, 2 * height),
    Buffer.from([1, 0, 32, 0]),
    Buffer.alloc(24 + 4 * width * height),
  ]);

const others = {
  "a TIFF": tiff(true, 1),
  "a turned TIFF": tiff(false, 6),
  "a BigTIFF": concat([
    latin1("MM\0+\0\x08\0\0"),
    uint(4, 0),
    uint(4, 16),
    uint(4, 0),
    uint(4, 2),
    uint(2, 256),
    uint(2, 16),
    uint(4, 0),
    uint(4, 1),
    uint(4, 0),
    uint(4, 30),
    uint(2, 257),
    uint(2, 3),
    uint(4, 0),
    uint(4, 1),
    uint(2, 20),
    Buffer.alloc(6),
    Buffer.alloc(8),
  ]),
  "an icon": ico(
    [4, 4, dib(4, 4)],
    [8, 8, dib(8, 8)],
    [0, 0, png(["IHDR", pngHeader(256, 256, 8, 6)], ["IDAT", pixels], end)],
  ),
  "a cursor": concat([
    latin1("\0\0\x02\0\x01\0"),
    Buffer.from([4, 4, 0, 255, 1, 0, 1, 0]),
    uintLE(4, dib(4, 4).length),
    uintLE(4, 22),
    dib(4, 4),
  ]),
  "a bitmap of OS/2": concat([
    latin1("BM"),
    Buffer.alloc(12),
    uintLE(4, 12),
    uintLE(2, 30),
    uintLE(2, 20),
    Buffer.alloc(40),
  ]),
  "a bitmap of rows from top down": concat([
    latin1("BM"),
    Buffer.alloc(12),
    uintLE(4, 40),
    uintLE(4, 30),
    uintLE(4, 2 ** 32 - 20),
    Buffer.alloc(40),
  ]),
  "a JPEG 2000": concat([
    latin1("\0\0\0\x0cjP  \r\n\x87\n"),
    fileType("jp2 "),
    box("jp2h", box("bpcc", full), box("ihdr", uint(4, 20), uint(4, 30), Buffer.alloc(6))),
    box("jp2c", Buffer.alloc(90)),
  ]),
  "a turned JPEG XL with a preview": jxlCodestream(
    [1, 1],
    [5, 9],
    [3, 0],
    [5, 4],
    [1, 0],
    [1, 1],
    [3, 5],
    [1, 1],
    [1, 1],
    [5, 3],
    [3, 2],
    [1, 1],
    [1, 0],
    [2, 1],
    [3, 0],
    [2, 2],
    [1, 1],
  ),
  "an animated JPEG XL": jxlCodestream(
    [1, 0],
    [2, 1],
    [13, 1079],
    [3, 5],
    [1, 0],
    [1, 1],
    [3, 0],
    [1, 0],
    [1, 1],
    [1, 1],
    [2, 3],
    [9, 5],
    [3, 1],
    [1, 1],
  ),
  "a JPEG XL in parts": concat([
    box("JXL ", "\r\n\x87\n"),
    fileType("jxl "),
    box("jxlp", full, Buffer.from([0xff, 0x0a, 0x8a, 0x72, 0x1c, 0xf4, 0x30, 0x11, 0, 0, 0, 0, 0, 0])),
  ]),
  "a Photoshop document": concat([
    latin1("8BPS\0\x01"),
    Buffer.alloc(6),
    uint(2, 3),
    uint(4, 20),
    uint(4, 30),
    Buffer.alloc(40),
  ]),
  "a JPEG 2000 codestream": concat([
    latin1("\xff\x4f\xff\x51"),
    uint(2, 47),
    uint(2, 0),
    ...[130, 90, 10, 20].map((value) => uint(4, value)),
    Buffer.alloc(20),
    uint(2, 3),
  ]),
  "a JPEG XL": Buffer.from([0xff, 0x0a, 0x8a, 0x72, 0x1c, 0xf4, 0x30, 0x11, 0, 0, 0, 0, 0, 0]),
  "an SVG": Buffer.from(
    '<?xml version="1.0"?><!-- a --><svg xmlns="http://www.w3.org/2000/svg" width="3cm" viewBox="0 0 30 20"><!-- b --><rect/></svg>',
  ),
  "an SVG in UTF-16": Buffer.from('\ufeff<svg width="30" height="20"/>', "utf16le"),
};

const longPictures = {
  "a long TIFF whose directory is last": concat([
    latin1("II*\0"),
    uintLE(4, 8 + far.length),
    far,
    directory(true, [
      [256, 3, 30],
      [257, 3, 20],
    ]),
  ]),
  "a long JPEG behind its profiles": jpeg(
    ...Array.from({ length: 5 }, () => segment(0xe2, far.subarray(0, 65_000))),
    ...photo,
  ),
};

export const pictures = { ...jpegs, ...pngs, ...gifs, ...webps, ...others, ...longPictures };
