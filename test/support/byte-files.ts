import { aifcFile, fragment, fragmentDefaults, movieHeader, wavFile } from "./track-bytes.ts";
import { adtsFrames, box, fileType, heads, latin1, mp3Frames, png } from "./heads.ts";
import { packageHeads } from "./package-heads.ts";
import { heifOf, reference, storedSize } from "./plan-files.ts";
import { uint } from "./worst-cases.ts";
import * as streams from "./stream-heads.ts";
import { zip } from "./zip.ts";

// Small files of many formats, from bytes alone: the same on every machine.

const concat = (parts: readonly Uint8Array[]) => Buffer.concat(parts);
const full = Buffer.alloc(4);

function uintLE(bytes: number, value: number): Buffer {
  const buffer = Buffer.alloc(bytes);
  buffer.writeUIntLE(value, 0, bytes);
  return buffer;
}

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

const riff = (form: string, ...chunks: readonly Buffer[]) => chunkLE("RIFF", concat([latin1(form), ...chunks]));
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

const chunkLE = (type: string, content: Buffer) =>
  concat([latin1(type), uintLE(4, content.length), content, Buffer.alloc(content.length % 2)]);

const lossy = chunkLE(
  "VP8 ",
  concat([latin1("\x30\x01\0\x9d\x01\x2a"), uintLE(2, 0x4000 + 300), uintLE(2, 0x8000 + 200), Buffer.alloc(51, 7)]),
);
const lossless = chunkLE("VP8L", concat([Buffer.from([0x2f]), uintLE(4, 299 + 199 * 2 ** 14), Buffer.alloc(40, 7)]));
const extended = (flags: number, width = 300, height = 200) =>
  chunkLE("VP8X", concat([Buffer.from([flags, 0, 0, 0]), uintLE(3, width - 1), uintLE(3, height - 1)]));
const webpFrame = (width: number, height: number) =>
  chunkLE(
    "ANMF",
    concat([Buffer.alloc(6), uintLE(3, width - 1), uintLE(3, height - 1), uintLE(3, 100), Buffer.alloc(1), lossy]),
  );
const webps = {
  "a lossy WebP": riff("WEBP", lossy),
  "a lossless WebP": riff("WEBP", lossless),
  "a WebP with opacity": riff("WEBP", extended(16), chunkLE("ALPH", Buffer.alloc(31)), lossy),
  "a WebP with a profile": riff("WEBP", extended(0x20, 70_000, 2), chunkLE("ICCP", Buffer.alloc(100)), lossless),
  "a WebP with EXIF data": riff(
    "WEBP",
    extended(8),
    lossy,
    chunkLE("EXIF", orientation(true, 6)),
    chunkLE("XMP ", Buffer.alloc(20)),
  ),
  "an animated WebP": riff(
    "WEBP",
    extended(2),
    chunkLE("ANIM", Buffer.alloc(6)),
    webpFrame(300, 200),
    webpFrame(300, 200),
    webpFrame(20, 200),
  ),
  "an animated WebP of opaque frames": riff(
    "WEBP",
    extended(2),
    chunkLE("ANIM", Buffer.alloc(6)),
    webpFrame(300, 200),
    webpFrame(300, 200),
  ),
  "an animated transparent WebP": riff(
    "WEBP",
    extended(18),
    chunkLE("ANIM", Buffer.alloc(6)),
    webpFrame(300, 200),
    webpFrame(300, 200),
    webpFrame(20, 20),
  ),
  "an animated WebP of one frame": riff("WEBP", extended(2), chunkLE("ANIM", Buffer.alloc(6)), webpFrame(300, 200)),
  "a WebP of a large canvas": riff(
    "WEBP",
    extended(2, 2 ** 14 + 1, 5),
    webpFrame(2 ** 14 + 1, 5),
    webpFrame(2 ** 14 + 1, 5),
  ),
};

// HEIF

const settings = box("hvcC", Buffer.alloc(16), Buffer.from([1, 0, 0]));
const picture = (isDataFirst: boolean) =>
  heifOf({
    brands: ["heic", "mif1"],
    primary: 1,
    isDataFirst,
    properties: [
      storedSize(4000, 3000),
      storedSize(320, 240),
      box("irot", "\x01"),
      settings,
      box("colr", "prof", Buffer.alloc(30, 9)),
    ],
    references: [reference("dimg", 1, 2, 3), reference("thmb", 4, 1), reference("cdsc", 5, 1)],
    items: [
      { id: 1, type: "grid", data: latin1("\0\0\0\x01\x0f\xa0\x0b\xb8"), properties: [1, 3, 5] },
      { id: 2, type: "hvc1", data: Buffer.alloc(300, 2), properties: [1, 4] },
      { id: 3, type: "hvc1", data: Buffer.alloc(310, 3), properties: [1, 4] },
      { id: 4, type: "hvc1", data: Buffer.alloc(120, 4), properties: [2, 3, 4] },
      { id: 5, type: "Exif", data: Buffer.alloc(90, 5), properties: [] },
    ],
  });
const alphaType = box("auxC", full, "urn:mpeg:mpegB:cicp:systems:auxiliary:alpha\0");
const clap = (...numbers: readonly number[]) => box("clap", ...numbers.map((value) => uint(4, value)));
const heifs = {
  "a HEIC with a thumbnail": picture(false),
  "a HEIC with a thumbnail whose data is first": picture(true),
  "an AVIF": heifOf({
    brands: ["avif", "mif1"],
    primary: 1,
    properties: [storedSize(400, 300), box("av1C", "\x81\0\x0c\0")],
    items: [{ id: 1, type: "av01", data: Buffer.alloc(200, 1), properties: [1, 2] }],
  }),
  "an AVIF with opacity": heifOf({
    brands: ["avif", "mif1"],
    primary: 2,
    properties: [storedSize(400, 300), box("av1C", "\x81\0\x0c\0"), alphaType],
    references: [reference("auxl", 1, 2), reference("cdsc", 3, 2)],
    items: [
      { id: 1, type: "av01", data: Buffer.alloc(100, 1), properties: [1, 2, 3] },
      { id: 2, type: "av01", data: Buffer.alloc(200, 2), properties: [1, 2] },
      { id: 3, type: "Exif", data: Buffer.alloc(300, 3), properties: [] },
    ],
  }),
  "an AVIF of two pictures": heifOf({
    brands: ["avif", "mif1"],
    primary: 1,
    properties: [storedSize(400, 300)],
    items: [
      { id: 1, type: "av01", data: Buffer.alloc(200, 1), properties: [1] },
      { id: 2, type: "av01", data: Buffer.alloc(200, 1), properties: [1] },
    ],
  }),
  "a cropped HEIF": heifOf({
    brands: ["mif1", "miaf"],
    primary: 1,
    properties: [storedSize(400, 300), clap(101, 2, 50, 1, 0, 1, 0, 1), box("imir", "\x01")],
    items: [{ id: 1, type: "hvc1", data: Buffer.alloc(200, 1), properties: [1, 2, 3] }],
  }),
};

/** A picture in two parts, whose item list has long numbers: offsets of 8 bytes behind a base of 4, lengths of 8. */
function longHeif(version: 1 | 2, method = 0): Buffer {
  const id = (value: number) => uint(version === 2 ? 4 : 2, value);
  const [one, two] = [Buffer.alloc(90, 1), Buffer.alloc(110, 2)];
  const type = fileType("heic", "mif1");
  const meta = (dataAt: number) =>
    box(
      "meta",
      full,
      box("hdlr", full, full, "pict", Buffer.alloc(13)),
      box("pitm", uint(4, version === 2 ? 0x0100_0000 : 0), id(1)),
      box(
        "iloc",
        concat([
          uint(4, version * 2 ** 24),
          Buffer.from([0x88, 0x44]),
          id(1),
          id(1),
          uint(2, method),
          uint(2, 0),
          uint(4, dataAt),
          uint(2, 2),
        ]),
        ...[
          [0, one.length],
          [one.length + 8, two.length],
        ].map(([from = 0, bytes = 0]) => concat([full, full, uint(4, from), full, uint(4, bytes)])),
      ),
      box(
        "iinf",
        version === 2 ? concat([uint(4, 0x0100_0000), uint(4, 1)]) : concat([full, uint(2, 1)]),
        box("infe", uint(4, version === 2 ? 0x0300_0000 : 0x0200_0000), id(1), uint(2, 0), "hvc1\0"),
      ),
      box(
        "iprp",
        box("ipco", storedSize(400, 300), settings),
        box("ipma", uint(4, (version === 2 ? 0x0100_0000 : 0) + 1), uint(4, 1), id(1), Buffer.from([2, 0x80, 1, 0, 2])),
      ),
    );
  return concat([type, meta(type.length + meta(0).length + 8), box("mdat", one, Buffer.alloc(8), two)]);
}

/** An image sequence: a track of pictures of 120 bytes. */
function sequence(brand: string, codec: string, property: string, matrix: readonly number[]): Buffer {
  const type = fileType(brand, "msf1", "iso8");
  const header = (dataAt: number) => {
    const entry = box(
      codec,
      Buffer.alloc(24),
      uint(2, 90),
      uint(2, 60),
      Buffer.alloc(50),
      box(property, "\x81\0\x0c\0"),
      box("colr", "nclx", Buffer.alloc(7)),
    );
    const table = box(
      "stbl",
      box("stsd", full, uint(4, 1), entry),
      box("stts", full, uint(4, 1), uint(4, 2), uint(4, 100)),
      box("stsc", full, uint(4, 1), uint(4, 1), uint(4, 2), uint(4, 1)),
      box("stsz", full, uint(4, 120), uint(4, 2)),
      box("stco", full, uint(4, 1), uint(4, dataAt)),
    );
    const track = box(
      "tkhd",
      uint(4, 3),
      Buffer.alloc(8),
      uint(4, 1),
      Buffer.alloc(24),
      ...matrix.map((value) => uint(4, value)),
      uint(4, 90 * 65_536),
      uint(4, 60 * 65_536),
    );
    const media = box(
      "mdia",
      box("mdhd", full, Buffer.alloc(8), uint(4, 1000), uint(4, 200), full),
      box("hdlr", full, full, "pict", full),
      box("minf", table),
    );
    return box(
      "moov",
      box("mvhd", full, Buffer.alloc(8), uint(4, 1000), uint(4, 200), Buffer.alloc(80)),
      box("trak", track, media),
    );
  };
  return concat([
    type,
    header(type.length + header(0).length + 8),
    box("mdat", Buffer.alloc(120, 1), Buffer.alloc(120, 2)),
  ]);
}

const longHeifs = {
  "a HEIC of long offsets": longHeif(1),
  "a HEIC of long numbers": longHeif(2),
  "a HEIC whose data is in its list": longHeif(1, 1),
  "a HEIC whose data is in another item": longHeif(1, 2),
  "an AVIF sequence": sequence("avis", "av01", "av1C", [0x10000, 0, 0, 0, 0x10000, 0, 0, 0, 0x40000000]),
  "a turned AVIF sequence": sequence("avis", "av01", "av1C", [0, 0x10000, 0, 0xffff0000, 0, 0, 0, 0, 0x40000000]),
  "a HEIC sequence": sequence("hevc", "hvc1", "hvcC", [0xffff0000, 0, 0, 0, 0xffff0000, 0, 0, 0, 0x40000000]),
};

// ISO base media files

const movie = (...boxes: readonly Buffer[]) => concat([fileType("isom", "mp42"), ...boxes]);
const mdat = box("mdat", Buffer.alloc(300, "media"));
const film = { samples: 30, duration: 3000 } as const;
const song = { handler: "soun", codec: "mp4a", samples: 31, duration: 3100 } as const;
const cover = box("udta", box("meta", full, box("ilst", box("covr", box("data", full, full, Buffer.alloc(60, 9))))));
const tfra = (id: number, time: number, at: number) =>
  box("tfra", full, uint(4, id), full, uint(4, 1), uint(4, time), uint(4, at), Buffer.alloc(3));
const mfra = (...tables: readonly Buffer[]) =>
  box("mfra", ...tables, box("mfro", full, uint(4, 8 + concat(tables).length + 16)));
const sidx = (...references: readonly (readonly [number, number])[]) =>
  box(
    "sidx",
    full,
    uint(4, 1),
    uint(4, 1000),
    full,
    full,
    uint(4, references.length),
    ...references.map(([bytes, units]) => concat([uint(4, bytes), uint(4, units), full])),
  );
const fragmented = movieHeader([{}], fragmentDefaults());
const live = movie(fragmented, fragment(1, 10, 5000), fragment(1, 10, 6000));
const indexed = concat([live, fragment(1, 10, 7000)]);
/** A movie of five samples in two chunks; times and offsets of 4 bytes or of 8. */
function listedMovie(bytes: 4 | 8): Buffer {
  const isLong = bytes === 8;
  const version = uint(4, isLong ? 0x0100_0000 : 0);
  const time = (value: number) => concat([Buffer.alloc(bytes - 4), uint(4, value)]);
  const matrix = concat([0x10000, 0, 0, 0, 0x10000, 0, 0, 0, 0x40000000].map((value) => uint(4, value)));
  const times = (timescale: number, duration: number) =>
    concat([version, time(0), time(0), uint(4, timescale), time(duration)]);
  const entry = box("avc1", Buffer.alloc(24), uint(2, 320), uint(2, 180), Buffer.alloc(50));
  const header = (at: number) => {
    const table = box(
      "stbl",
      box("stsd", full, uint(4, 1), entry),
      box("stts", full, uint(4, 2), uint(4, 3), uint(4, 1000), uint(4, 2), uint(4, 4000)),
      box("ctts", full, uint(4, 1), uint(4, 5), uint(4, 500)),
      box("stsc", full, uint(4, 2), uint(4, 1), uint(4, 3), uint(4, 1), uint(4, 2), uint(4, 2), uint(4, 1)),
      box("stsz", full, full, uint(4, 5), ...[50, 40, 30, 20, 10].map((size) => uint(4, size))),
      box(isLong ? "co64" : "stco", full, uint(4, 2), time(at), time(at + 200)),
    );
    const edits = box(
      "elst",
      version,
      uint(4, 2),
      time(500),
      isLong ? uint(4, 0xffffffff) : Buffer.alloc(0),
      uint(4, 0xffffffff),
      uint(4, 0x10000),
      time(11_000),
      time(500),
      uint(4, 0x10000),
    );
    const track = box(
      "tkhd",
      concat([version.subarray(0, 3), Buffer.from([3])]),
      time(0),
      time(0),
      uint(4, 5),
      full,
      time(11_000),
      Buffer.alloc(16),
      matrix,
      uint(4, 320 * 65_536),
      uint(4, 180 * 65_536),
    );
    const media = box(
      "mdia",
      box("mdhd", times(1000, 11_000), full),
      box("hdlr", full, full, "vide", full),
      box("minf", table),
    );
    const chapters = box(
      "trak",
      box("tkhd", version, time(0), time(0), uint(4, 6), full, time(99_000), Buffer.alloc(60)),
      box("mdia", box("mdhd", times(1000, 99_000), full), box("hdlr", full, full, "text", full)),
    );
    return box(
      "moov",
      box("mvhd", times(1000, 11_500), Buffer.alloc(16), matrix, Buffer.alloc(28)),
      chapters,
      box("trak", track, box("edts", edits), media),
    );
  };
  return header(fileType("isom", "mp42").length + header(0).length + 8);
}
const movies = {
  "an MP4 with its header first": movie(movieHeader([film, song]), mdat),
  "an MP4 with its header last": movie(box("free", Buffer.alloc(20)), mdat, movieHeader([film, song])),
  "an MP4 with a large box of media": movie(
    concat([uint(4, 1), latin1("mdat"), uint(4, 0), uint(4, 316), Buffer.alloc(300)]),
    movieHeader([film]),
  ),
  "an MP4 whose last box has no length": movie(movieHeader([film]), concat([full, latin1("mdat"), Buffer.alloc(300)])),
  "a turned film": movie(movieHeader([{ ...film, isTurned: true, aspect: [4, 3] }]), mdat),
  "an anamorphic film": movie(movieHeader([{ ...film, coded: [720, 576], displayed: [1024, 576] }]), mdat),
  "a film that begins late": movie(
    movieHeader([
      {
        ...film,
        edits: [
          [0xffffffff, 200],
          [500, 0],
        ],
      },
      {
        ...song,
        edits: [
          [1000, 0xffffffff],
          [3000, 100],
        ],
      },
    ]),
    mdat,
  ),
  "a film of an edit list alone": movie(movieHeader([{ edits: [[2500, 0]] }]), mdat),
  "a fragmented film": live,
  "a fragmented film with a declared length": movie(
    movieHeader([{}], fragmentDefaults(box("mehd", full, uint(4, 4321)))),
    fragment(1, 5, null),
  ),
  "a fragmented film with defaults": movie(
    movieHeader([{}], fragmentDefaults(box("trex", full, uint(4, 1), uint(4, 1), uint(4, 40), full, full))),
    box(
      "moof",
      box(
        "traf",
        box("tfhd", full, uint(4, 1)),
        box("tfdt", uint(4, 0x01000000), full, uint(4, 800)),
        box("trun", uint(4, 0x301), uint(4, 2), full, uint(4, 50), uint(4, 9), uint(4, 60), uint(4, 9)),
        box("trun", uint(4, 0x805), uint(4, 2), full, full, uint(4, 20), uint(4, 0)),
      ),
    ),
    mdat,
  ),
  "a fragmented film with an index": movie(
    fragmented,
    sidx([fragment(1, 10, 0).length, 1000], [fragment(1, 9, 1000).length, 900]),
    fragment(1, 10, 0),
    fragment(1, 9, 1000),
  ),
  "a fragmented film with an index for random access": concat([indexed, mfra(tfra(1, 7000, live.length))]),
  "a film whose samples are listed": movie(listedMovie(4), mdat),
  "a film of long times": movie(listedMovie(8), mdat),
  "a segment of a film": concat([box("styp", "msdh", full), box("moof", Buffer.alloc(20)), mdat]),
  "an M4A with a cover": concat([fileType("M4A "), movieHeader([song], cover), mdat]),
  "an M4A with a picture as a track": concat([
    fileType("mp42"),
    movieHeader([song, { codec: "jpeg", samples: 1 }]),
    mdat,
  ]),
  "an M4A": concat([fileType("mp42"), movieHeader([song]), mdat]),
  "a 3GP": concat([fileType("3gp5", "isom"), movieHeader([film]), mdat]),
  "a QuickTime film": concat([fileType("qt  "), mdat, movieHeader([film])]),
};

// Matroska (RFC 9559)

const element = (id: number, ...contents: readonly Buffer[]) => {
  const content = concat(contents);
  const bytes = id > 0xffffff ? 4 : id > 0xffff ? 3 : id > 0xff ? 2 : 1;
  const size = content.length < 127 ? Buffer.from([0x80 | content.length]) : uint(2, 0x4000 + content.length);
  return concat([uint(bytes, id), size, content]);
};
const unsized = (id: number, ...contents: readonly Buffer[]) =>
  concat([uint(4, id), Buffer.from([0x01, 255, 255, 255, 255, 255, 255, 255]), ...contents]);
const ebml = (docType: string) =>
  element(0x1a45dfa3, element(0x4286, Buffer.from([1])), element(0x4282, latin1(docType)));
const track = (number: number, type: number, nanoseconds?: number) =>
  element(
    0xae,
    element(0xd7, Buffer.from([number])),
    element(0x83, Buffer.from([type])),
    ...(nanoseconds === undefined ? [] : [element(0x23e383, uint(4, nanoseconds))]),
  );
const tracks = element(0x1654ae6b, track(1, 1, 40_000_000), track(2, 2));
const float = (value: number) => {
  const buffer = Buffer.alloc(8);
  buffer.writeDoubleBE(value);
  return buffer;
};
const info = (duration?: number, scale?: number) =>
  element(
    0x1549a966,
    ...(scale === undefined ? [] : [element(0x2ad7b1, uint(4, scale))]),
    ...(duration === undefined ? [] : [element(0x4489, float(duration))]),
  );
const block = (number: number, time: number, bytes = 30) =>
  element(0xa3, Buffer.from([0x80 | number]), uint(2, time), Buffer.from([0x80]), Buffer.alloc(bytes, 3));
const group = (number: number, time: number, units: number) =>
  element(
    0xa0,
    element(0xa1, Buffer.from([0x80 | number]), uint(2, time), Buffer.alloc(1), Buffer.alloc(20, 4)),
    element(0x9b, uint(2, units)),
  );
const cluster = (time: number, ...blocks: readonly Buffer[]) =>
  element(0x1f43b675, element(0xe7, uint(2, time)), ...blocks);
const openCluster = (time: number, ...blocks: readonly Buffer[]) =>
  unsized(0x1f43b675, element(0xe7, uint(2, time)), ...blocks);
const attachments = element(
  0x1941a469,
  element(0x61a7, element(0x466e, latin1("cover.png")), element(0x465c, Buffer.alloc(40, 8))),
);
const clusters = [0, 1, 2, 3].map((second) =>
  cluster(1000 * second, block(1, 0), block(2, 10), block(1, 500), group(2, 600, 20)),
);
const matroskas = {
  "a WebM": concat([ebml("webm"), unsized(0x18538067, info(4000), tracks, ...clusters)]),
  "a WebM without a duration": concat([ebml("webm"), unsized(0x18538067, info(), tracks, ...clusters)]),
  "a WebM without lengths of its clusters": concat([
    ebml("webm"),
    unsized(
      0x18538067,
      info(undefined, 500_000),
      tracks,
      openCluster(0, block(1, 0), block(2, 5)),
      openCluster(3000, block(1, 0), block(2, 20), element(0xec, Buffer.alloc(9))),
      element(0x1c53bb6b, Buffer.alloc(20)),
    ),
  ]),
  "a WebM whose last cluster has no video": concat([
    ebml("webm"),
    unsized(0x18538067, info(), tracks, ...clusters, cluster(4000, block(2, 0), block(2, 20))),
  ]),
  "a WebM of speech": concat([
    ebml("webm"),
    unsized(
      0x18538067,
      element(0x1654ae6b, track(1, 2)),
      cluster(0, block(1, 0)),
      cluster(4000, block(1, 0), group(1, 100, 30)),
    ),
  ]),
  "a Matroska film with a cover": concat([
    ebml("matroska"),
    element(0x18538067, info(4000), tracks, attachments, ...clusters),
  ]),
  "a Matroska song with a cover": concat([
    ebml("matroska"),
    element(0x18538067, info(4000), element(0x1654ae6b, track(1, 2)), attachments, cluster(0, block(1, 0))),
  ]),
  "a Matroska song with a cover at its end": concat([
    ebml("matroska"),
    element(
      0x18538067,
      element(0x114d9b74, element(0x4dbb, element(0x53ab, uint(4, 0x1941a469)))),
      info(4000),
      element(0x1654ae6b, track(1, 2)),
      cluster(0, block(1, 0)),
      attachments,
    ),
  ]),
};

// Ogg (RFC 3533)

/** A page of packets that end on it. */
function page(flags: number, serial: number, position: number, ...packets: readonly Buffer[]): Buffer {
  const lacing = packets.flatMap(({ length }) => [...Array<number>(Math.floor(length / 255)).fill(255), length % 255]);
  const header = Buffer.alloc(27);
  header.write("OggS", 0, "latin1");
  header[5] = flags;
  if (position < 0) header.fill(0xff, 6, 14);
  else header.writeUInt32LE(position, 6);
  header.writeUInt32LE(serial, 14);
  header[26] = lacing.length;
  return concat([header, Buffer.from(lacing), ...packets]);
}
const vorbisHead = concat([
  latin1("\x01vorbis"),
  full,
  Buffer.from([2]),
  uintLE(4, 44_100),
  Buffer.alloc(12),
  Buffer.from([0xb8, 1]),
]);
const opusHead = concat([latin1("OpusHead\x01\x02"), uintLE(2, 312), uintLE(4, 48_000), Buffer.alloc(3)]);
const speexHead = concat([latin1("Speex   1.2"), Buffer.alloc(25), uintLE(4, 16_000), Buffer.alloc(40)]);
const flacHead = concat([
  latin1("\x7fFLAC\x01\0\0\x01fLaC\0\0\0\x22"),
  Buffer.alloc(10),
  uint(4, 44_100 * 2 ** 12),
  Buffer.alloc(20),
]);
const theoraHead = concat([
  latin1("\x80theora\x03\x02\x01\0\x14\0\x0c"),
  uint(3, 320),
  uint(3, 180),
  Buffer.alloc(2),
  uint(4, 25),
  uint(4, 1),
  uint(3, 4),
  uint(3, 3),
  Buffer.alloc(4),
  uint(2, 6 << 5),
]);
const squareTheora = Buffer.from(theoraHead);
squareTheora.fill(0, 33, 36); // no height of a pixel: its aspect is unknown
const comment = (name: string, text = "") => concat([latin1(name), latin1(text)]);
const coverComment = `METADATA_BLOCK_PICTURE=${"A".repeat(300)}`;
const packet = Buffer.alloc(30, 0x78);
const oggs = {
  "an Ogg song in Vorbis": concat([
    page(2, 7, 0, vorbisHead),
    page(0, 7, 0, comment("\x03vorbis"), comment("\x05vorbis")),
    page(0, 7, 1024, packet, packet),
    page(0, 7, 44_100, packet),
    page(4, 7, 88_200, packet),
  ]),
  "an Ogg song in Vorbis with a cover": concat([
    page(2, 7, 0, vorbisHead),
    page(0, 7, 0, comment("\x03vorbis", coverComment), comment("\x05vorbis")),
    page(0, 7, 1024, packet),
    page(4, 7, 88_200, packet),
  ]),
  "an Ogg song in Opus": concat([
    page(2, 1, 0, opusHead),
    page(0, 1, 0, comment("OpusTags")),
    page(0, 1, 1920, packet, packet),
    page(4, 1, 96_312, packet),
  ]),
  "an Ogg song in Opus that began earlier": concat([
    page(2, 1, 0, opusHead),
    page(0, 1, 0, comment("OpusTags")),
    page(0, 1, 481_920, packet, packet),
    page(4, 1, 577_920, packet),
  ]),
  "an Ogg song in Vorbis that began earlier": concat([
    page(2, 7, 0, vorbisHead),
    page(0, 7, 0, comment("\x03vorbis"), comment("\x05vorbis")),
    page(0, 7, 441_000, packet),
    page(4, 7, 882_000, packet),
  ]),
  "an Ogg message in Speex": concat([
    page(2, 1, 0, speexHead),
    page(0, 1, 0, comment("tags")),
    page(0, 1, -1, packet),
    page(4, 1, 32_000, packet),
  ]),
  "an Ogg song in FLAC": concat([page(2, 1, 0, flacHead), page(0, 1, 0, comment("tags")), page(4, 1, 44_100, packet)]),
  "an Ogg film": concat([
    page(2, 1, 0, theoraHead),
    page(2, 2, 0, vorbisHead),
    page(0, 1, 0, comment("\x81theora")),
    page(0, 2, 0, comment("\x03vorbis"), comment("\x05vorbis")),
    page(0, 1, 64, packet),
    page(0, 2, 1024, packet),
    page(0, 1, 64 + 50, packet),
    page(0, 1, 3 * 64 + 60, packet),
    page(4, 2, 88_200, packet),
    page(4, 1, 4 * 64 + 3, packet),
  ]),
  "an Ogg film of square pixels": concat([
    page(2, 1, 0, squareTheora),
    page(0, 1, 0, comment("\x81theora")),
    page(0, 1, 64, packet),
    page(4, 1, 64 + 50, packet),
  ]),
  "an Ogg file of two songs": concat([
    page(2, 1, 0, opusHead),
    page(0, 1, 0, comment("OpusTags")),
    page(4, 1, 960, packet),
    page(2, 2, 0, opusHead),
    page(0, 2, 0, comment("OpusTags")),
    page(4, 2, 960, packet),
  ]),
};

// Other sounds

const id3 = (bytes: number, text = "") =>
  concat([
    latin1("ID3\x04\0\0"),
    Buffer.from([0, 0, bytes >> 7, bytes & 127]),
    Buffer.alloc(bytes, `${text}\0`, "latin1"),
  ]);
const flacBlock = (type: number, content: Buffer, isLast = false) =>
  concat([Buffer.from([(isLast ? 128 : 0) | type]), uint(3, content.length), content]);
const streamInfo = (samples: number) =>
  concat([Buffer.alloc(10), uint(4, 44_100 * 2 ** 12 + 0x2f0), uint(4, samples), Buffer.alloc(16)]);
const frames = (one: Buffer, count: number) => concat(Array.from({ length: count }, () => one));
const xing = (mark: string, at: number, countAt: number) => {
  const file = frames(mp3Frames(), 4);
  file.write(mark, at, "latin1");
  file.writeUInt32BE(1, at + 4);
  file.writeUInt32BE(10_000, at + countAt);
  return file;
};
const changingMp3 = () => {
  const other = Buffer.alloc(522);
  other.set([0xff, 0xfb, 0xa0, 0]);
  return frames(concat([mp3Frames(), other]), 80);
};
const sounds = {
  "a FLAC": concat([
    latin1("fLaC"),
    flacBlock(0, streamInfo(88_200)),
    flacBlock(1, Buffer.alloc(20), true),
    Buffer.alloc(100),
  ]),
  "a FLAC with covers": concat([
    latin1("fLaC"),
    flacBlock(0, streamInfo(88_200)),
    flacBlock(4, latin1("tags")),
    flacBlock(6, concat([uint(4, 4), Buffer.alloc(50)])),
    flacBlock(6, concat([uint(4, 3), Buffer.alloc(60)])),
    flacBlock(1, Buffer.alloc(20), true),
    Buffer.alloc(100),
  ]),
  "a FLAC with a cover in its comment": concat([
    latin1("fLaC"),
    flacBlock(0, streamInfo(0)),
    flacBlock(4, latin1(coverComment), true),
    Buffer.alloc(100),
  ]),
  "a FLAC behind a tag": concat([
    id3(60, "APIC"),
    latin1("fLaC"),
    flacBlock(0, streamInfo(44_100), true),
    Buffer.alloc(100),
  ]),
  "an MP3": frames(mp3Frames(), 10),
  "an MP3 of 100 kB": frames(mp3Frames(), 120),
  "an MP3 of 100 kB behind a tag with a cover": concat([id3(300, "APIC"), id3(9), frames(mp3Frames(), 120)]),
  "an MP3 with a variable bitrate": changingMp3(),
  "an MP3 with a count of LAME": xing("Info", 36, 8),
  "an MP3 with a count of Fraunhofer": xing("VBRI", 36, 14),
  "an ADTS stream": frames(adtsFrames(), 20),
  "a WAV": streams.wave("RIFF", 4000, 4000, 4000),
  "a WAV of 64 bits": streams.wave("RF64", 4000, 4000, 4000),
  "a WAV in ADPCM": wavFile({
    format: 0x11,
    rate: 8000,
    bytesPerSecond: 4055,
    blockBytes: 256,
    blockSamples: 505,
    factSamples: 3000,
    dataBytes: 2048,
  }),
  "an AIFC": aifcFile("ima4", 20, 16, 20 * 34, 2),
  "an AIFF whose common chunk is last": concat([
    latin1("FORM\0\0\0\0AIFF"),
    latin1("SSND"),
    uint(4, 108),
    Buffer.alloc(108),
    latin1("COMM"),
    uint(4, 18),
    uint(2, 1),
    uint(4, 50),
    uint(2, 16),
    Buffer.from([0x40, 0x0c, 0xfa, 0, 0, 0, 0, 0, 0, 0]),
  ]),
  "an AIFF of a recording": concat([
    latin1("FORM\0\0\0\0AIFFCOMM"),
    uint(4, 18),
    uint(2, 2),
    full,
    uint(2, 24),
    Buffer.from([0x40, 0x0b, 0xfa, 0, 0, 0, 0, 0, 0, 0]),
    latin1("SSND"),
    full,
    Buffer.alloc(608),
  ]),
  "an AIFF with a name of an odd length": concat([
    latin1("FORM\0\0\0\0AIFFNAME"),
    uint(4, 3),
    Buffer.alloc(4),
    latin1("COMM"),
    uint(4, 18),
    uint(2, 1),
    uint(4, 400),
    uint(2, 16),
    Buffer.from([0x40, 0x0c, 0xfa, 0, 0, 0, 0, 0, 0, 0]),
    latin1("SSND"),
    uint(4, 808),
    Buffer.alloc(808),
  ]),
  "a WAV with a cover": riff(
    "WAVE",
    chunkLE("fmt ", concat([uintLE(2, 1), uintLE(2, 1), uintLE(4, 8000), uintLE(4, 8000), uintLE(2, 1), uintLE(2, 8)])),
    chunkLE("data", Buffer.alloc(801)),
    chunkLE("LIST", Buffer.alloc(20)),
    chunkLE("id3 ", id3(1200, "APIC")),
  ),
  "an extensible WAV": riff(
    "WAVE",
    chunkLE(
      "fmt ",
      concat([
        uintLE(2, 0xfffe),
        uintLE(2, 2),
        uintLE(4, 8000),
        uintLE(4, 48_000),
        uintLE(2, 6),
        uintLE(2, 24),
        uintLE(2, 22),
        uintLE(2, 24),
        uintLE(4, 3),
        uintLE(2, 1),
        Buffer.alloc(14),
      ]),
    ),
    chunkLE("JUNK", Buffer.alloc(7)),
    chunkLE("data", Buffer.alloc(600)),
  ),
  "an empty WAV": riff(
    "WAVE",
    chunkLE("fmt ", concat([uintLE(2, 1), uintLE(2, 1), uintLE(4, 8000), uintLE(4, 8000), uintLE(2, 1), uintLE(2, 8)])),
    chunkLE("data", Buffer.alloc(0)),
    chunkLE("LIST", Buffer.alloc(20)),
  ),
  "an AMR": concat([latin1("#!AMR\n"), Buffer.alloc(64, "\x3c")]),
  "a CAF of packets": concat([
    streams.cafStart("opus", 48_000, { bytes: 0, frames: 960 }),
    streams.cafChunk("data", Buffer.alloc(200)),
    streams.cafChunk("pakt", concat([uint(4, 0), uint(4, 5), uint(4, 0), uint(4, 4000), Buffer.alloc(8)])),
  ]),
  "a CAF": concat([
    streams.cafStart("lpcm", 8000, { bytes: 4, frames: 1 }),
    streams.cafChunk("free", Buffer.alloc(5)),
    streams.cafChunk("data", Buffer.alloc(404)),
  ]),
  "an AU": concat([streams.auHeader(800), Buffer.alloc(800)]),
  "a WavPack": streams.wavpackBlock(66_150),
  "Monkey's Audio": streams.monkeysAudio(3, 36_864),
  "Monkey's Audio 3.95": streams.oldMonkeysAudio(3950, 2000, 2, 0),
  "Musepack 7": streams.musepack7(100, 300),
  "Musepack 8": streams.musepack8(96_000, 100),
  "True Audio": streams.trueAudio(66_150),
  "an AC-3": streams.ac3Frames(3),
  "an E-AC-3": streams.eac3Frames(3),
};

// Other films

const program = (pack: Buffer, aspect: number, isMpeg2: boolean) =>
  concat([pack, Buffer.alloc(300, 1), streams.sequenceHeader(720, 576, aspect, isMpeg2)]);
const avi = (frames: number, microseconds: number) => {
  const header = Buffer.alloc(56);
  [microseconds, 0, 0, 0x10, frames, 0, 1, 0, 320, 180].forEach((value, index) =>
    header.writeUInt32LE(value, 4 * index),
  );
  return chunkLE(
    "RIFF",
    concat([
      latin1("AVI "),
      chunkLE("LIST", concat([latin1("hdrl"), chunkLE("avih", header)])),
      chunkLE("LIST", latin1("movi")),
    ]),
  );
};
const films = {
  "a program stream of MPEG-2, 16 to 9": program(streams.mpeg2Pack, 3, true),
  "a program stream of MPEG-2, 2.21 to 1": program(streams.mpeg2Pack, 4, true),
  "a program stream of MPEG-1": program(streams.mpeg1Pack, 3, false),
  "an MPEG video": streams.sequenceHeader(96, 64, 2, true),
  "an AVI": avi(50, 40_000),
  "Windows Media": streams.asfHeader(
    streams.asfFile(1500, 3000),
    streams.asfStream("audio"),
    streams.asfStream("video", 320, 180),
  ),
  "Flash video with metadata": concat([
    streams.flvHeader,
    streams.flvTag(
      18,
      concat([
        latin1("\x02\0\x0aonMetaData\x08\0\0\0\x03"),
        ...(["duration", "width", "height"] as const).map((key, index) =>
          concat([uint(2, key.length), latin1(`${key}\0`), float([2.5, 320, 180][index]!)]),
        ),
        latin1("\0\0\x09"),
      ]),
    ),
    streams.flvTag(9, Buffer.alloc(99)),
  ]),
  "Windows Media of sound": streams.asfHeader(
    streams.asfObject("00".repeat(16), Buffer.alloc(30)),
    streams.asfStream("audio"),
    streams.asfFile(2500),
  ),
  "Flash video": concat([
    streams.flvHeader,
    streams.flvTag(9, Buffer.alloc(99)),
    streams.flvTag(9, Buffer.alloc(99), 5000),
  ]),
};

// Other pictures, documents

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
/** A JPEG XL of these fields of bits, the lowest of each byte first. */
function lowBits(...fields: readonly (readonly [count: number, value: number])[]): Buffer {
  const all = fields.flatMap(([count, value]) => Array.from({ length: count }, (_, bit) => (value >> bit) & 1));
  const bytes = Buffer.alloc(Math.ceil(all.length / 8));
  for (const [at, bit] of all.entries()) bytes[at >> 3]! |= bit << (at & 7);
  return concat([Buffer.from([0xff, 0x0a]), bytes]);
}
const text = (value: string) => Buffer.from(value);
const stored = (name: string, content: string) => ({ name, content, isStored: true });
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
  "a turned JPEG XL with a preview": lowBits(
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
    [20, 0],
  ),
  "an animated JPEG XL": lowBits(
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
    [20, 0],
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
  "an SVG": text(
    '<?xml version="1.0"?><!-- a --><svg xmlns="http://www.w3.org/2000/svg" width="3cm" viewBox="0 0 30 20"><!-- b --><rect/></svg>',
  ),
  "an SVG in UTF-16": Buffer.from('\ufeff<svg width="30" height="20"/>', "utf16le"),
  "an embedded font": concat([
    Buffer.from([100, 0, 0, 0, 90, 0, 0, 0, 2, 0, 2, 0]),
    Buffer.alloc(22),
    latin1("LP"),
    Buffer.alloc(64),
  ]),
  "a page": text("<!-- a --><!doctype html><title>a</title>"),
  "an archive of stored files": zip(stored("mimetype", "application/epub+zip"), stored("a", "b")),
  "an archive": zip(stored("a.txt", "hello"), stored("b.txt", "world")),
  "an Office document": zip(
    stored(
      "[Content_Types].xml",
      '<Types><Override PartName="/w" ContentType="application/vnd.openxmlformats-officedocument.wordprocessingml.document.main+xml"/></Types>',
    ),
    stored("word/document.xml", "<a/>"),
  ),
};

// Files whose parts lie far apart: they are read in ranges.

const far = Buffer.alloc(400_000, 1);
const lastHeader = movie(box("mdat", far), movieHeader([film, song]));
const farFiles = {
  "a long MP4 with its header last": lastHeader,
  "a long MP4 behind a tag": concat([id3(300), lastHeader]),
  "a long MP4 whose samples are far": concat([fileType("isom", "mp42"), farMovie(), box("free", far), mdat]),
  "a long fragmented film": movie(fragmented, fragment(1, 10, 0), box("free", far), fragment(1, 10, 9000)),
  "a long fragmented film with an index for random access": concat([
    live,
    box("free", far),
    fragment(1, 10, 7000),
    mfra(tfra(1, 7000, live.length + far.length + 8)),
  ]),
  "a long HEIC with its thumbnail last": heifOf({
    brands: ["heic", "mif1"],
    primary: 1,
    properties: [storedSize(4000, 3000), storedSize(320, 240)],
    references: [reference("thmb", 2, 1)],
    items: [
      { id: 1, type: "hvc1", data: far, properties: [1] },
      { id: 2, type: "hvc1", data: Buffer.alloc(120, 4), properties: [2] },
    ],
  }),
  "a long HEIC whose data is first": heifOf({
    brands: ["heic", "mif1"],
    primary: 1,
    isDataFirst: true,
    properties: [storedSize(4000, 3000)],
    items: [{ id: 1, type: "hvc1", data: far, properties: [1] }],
  }),
  "a long WebM without a duration": concat([
    ebml("webm"),
    unsized(
      0x18538067,
      info(),
      tracks,
      ...clusters,
      element(0xec, far.subarray(0, 16_000)),
      ...Array.from({ length: 40 }, (_, index) => cluster(4000 + 1000 * index, block(1, 0, 10_000), block(2, 10))),
    ),
  ]),
  "a long Ogg song": concat([
    page(2, 1, 0, opusHead),
    page(0, 1, 0, comment("OpusTags")),
    ...Array.from({ length: 1600 }, (_, index) => page(0, 1, 960 * (index + 1), Buffer.alloc(200, 0x78))),
  ]),
  "a long WAV with a cover": riff(
    "WAVE",
    chunkLE("fmt ", concat([uintLE(2, 1), uintLE(2, 1), uintLE(4, 8000), uintLE(4, 8000), uintLE(2, 1), uintLE(2, 8)])),
    chunkLE("data", far),
    chunkLE("id3 ", id3(1200, "APIC")),
  ),
  "a long AIFF whose common chunk is last": concat([
    latin1("FORM\0\0\0\0AIFF"),
    latin1("SSND"),
    uint(4, far.length),
    far,
    latin1("COMM"),
    uint(4, 18),
    uint(2, 1),
    uint(4, 50),
    uint(2, 16),
    Buffer.from([0x40, 0x0c, 0xfa, 0, 0, 0, 0, 0, 0, 0]),
  ]),
  "a long CAF whose packet table is last": concat([
    streams.cafStart("opus", 48_000, { bytes: 0, frames: 960 }),
    streams.cafChunk("data", far),
    streams.cafChunk("pakt", concat([full, uint(4, 5), full, full, Buffer.alloc(8)])),
  ]),
  "a long FLAC behind two tags": concat([
    id3(9),
    id3(16_000),
    latin1("fLaC"),
    flacBlock(0, streamInfo(44_100)),
    flacBlock(6, concat([uint(4, 3), far]), true),
  ]),
  "a long MPEG video": concat([
    streams.mpeg2Pack,
    Buffer.alloc(60_000, 1),
    streams.sequenceHeader(720, 576, 2, true),
    far,
  ]),
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

/** A movie whose one chunk of samples lies behind other boxes. */
function farMovie(): Buffer {
  const header = movieHeader([{ ...film, samples: 10 }]);
  const at = header.lastIndexOf("stco");
  const offset = fileType("isom", "mp42").length + header.length + 4 + 8 + far.length + 8;
  const chunk = concat([uint(4, 1), uint(4, offset)]);
  // The chunk list has no entries in the header of the tests: it gets one, and so do the boxes around it.
  const longer = concat([header.subarray(0, at + 8), chunk, header.subarray(at + 12)]);
  for (const type of ["moov", "trak", "mdia", "minf", "stbl", "stco"]) {
    const boxAt = longer.indexOf(type) - 4;
    longer.writeUInt32BE(longer.readUInt32BE(boxAt) + 4, boxAt);
  }
  return longer;
}

// Their bytes are made by zlib, whose versions differ.
const compressed = ["tgs", "svgz", ...Object.keys(packageHeads)];

/** By name; the type is sniffed. */
export const byteFiles: Readonly<Record<string, Buffer>> = {
  ...Object.fromEntries(Object.entries(heads).filter(([name]) => !compressed.includes(name))),
  ...jpegs,
  ...pngs,
  ...gifs,
  ...webps,
  ...heifs,
  ...longHeifs,
  ...movies,
  ...matroskas,
  ...oggs,
  ...sounds,
  ...films,
  ...others,
  ...farFiles,
};
