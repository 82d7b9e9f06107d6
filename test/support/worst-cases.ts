import { gzipSync } from "node:zlib";
import type { FormatName } from "../../src/media/formats/index.ts";
import { type WorstCases, fill, filled, repeatedTag } from "./fill.ts";
import { box, fileType, latin1, movie, png } from "./heads.ts";
import { noise } from "./images.ts";
import { packageCases, streamCases } from "./stream-cases.ts";

export function uint(bytes: number, value: number): Buffer {
  const buffer = Buffer.alloc(bytes);
  buffer.writeUIntBE(value, 0, bytes);
  return buffer;
}

/** Nested boxes, as deep as they fit. */
function nestedBoxes(type: string, bytes: number): Buffer {
  const depth = Math.floor(bytes / 8);
  return Buffer.concat(Array.from({ length: depth }, (_, level) => box(type).fill(uint(4, 8 * (depth - level)), 0, 4)));
}

const emptyBox = box("free");
const full = Buffer.alloc(4);
/** Boxes that fill the remaining space, in a box of their own. */
const boxOf = (type: string, unit: Buffer, bytes: number) => box(type, fill("", unit, Math.max(0, bytes - 8)));

/** An item for each association, or one item with all of them. */
function associations(bytes: number, item: (index: number) => Buffer): Buffer {
  const entries: Buffer[] = [];
  for (let length = 16; length < bytes;) {
    const entry = item(entries.length);
    entries.push(entry);
    length += entry.length;
  }
  return box("ipma", full, uint(4, entries.length), ...entries);
}

/** A picture whose item list, properties or associations fill the file. */
function heif(brand: string, ...inMeta: readonly Buffer[]): Buffer {
  return Buffer.concat([fileType(brand, "mif1"), box("meta", full, box("pitm", full, uint(2, 7)), ...inMeta)]);
}

function heifCases(brand: string): (bytes: number) => WorstCases {
  const size = box("ispe", full, uint(4, 400), uint(4, 300));
  const properties = (...inProperties: readonly Buffer[]) => box("iprp", ...inProperties);
  const own = (count: number) => Buffer.concat([uint(2, 7), Buffer.from([count]), Buffer.alloc(count, 1)]);
  const thumbnails = box("iref", full, ...Array.from({ length: 16 }, (_, at) => box("thmb", uint(2, at), uint(2, 1), uint(2, 7)))); // prettier-ignore
  return (bytes) => ({
    "brands without end": fill(fileType(brand).fill(uint(4, bytes), 0, 4), brand, bytes),
    "empty boxes": fill(fileType(brand), emptyBox, bytes),
    "empty boxes in the item list": heif(brand, fill("", emptyBox, bytes)),
    "empty properties": heif(brand, properties(boxOf("ipco", emptyBox, bytes))),
    "empty boxes among the properties": heif(brand, properties(fill("", emptyBox, bytes))),
    "an association for each of many items": heif(
      brand,
      thumbnails,
      properties(
        box("ipco", size),
        associations(bytes, (at) => Buffer.concat([uint(2, at % 65_536), Buffer.from([0])])),
      ),
    ),
    "many associations of one item": heif(brand, thumbnails, properties(box("ipco", size), associations(bytes, () => own(255)))), // prettier-ignore
    "an association box for each property": heif(
      brand,
      thumbnails,
      properties(box("ipco", size), fill("", box("ipma", full, uint(4, 1), own(1)), bytes)),
    ),
    "boxes in boxes": Buffer.concat([fileType(brand), nestedBoxes("meta", bytes)]),
  });
}

function movieCases(...brands: readonly [string, ...string[]]): (bytes: number) => WorstCases {
  const start = fileType(...brands);
  return (bytes) => ({
    "brands without end": fill(fileType(...brands).fill(uint(4, bytes), 0, 4), brands[0], bytes),
    "empty boxes": fill(start, emptyBox, bytes),
    "empty boxes in the movie": Buffer.concat([start, boxOf("moov", emptyBox, bytes)]),
    "tracks without end": Buffer.concat([start, boxOf("moov", movie("soun").subarray(8), bytes)]),
    "handlers without end": Buffer.concat([
      start,
      box("moov", box("trak", boxOf("mdia", box("hdlr", full, full, "hint"), bytes))),
    ]),
    "boxes in boxes": Buffer.concat([start, nestedBoxes("moov", bytes)]),
  });
}

function vint(value: number): Buffer {
  return uint(4, 0x1000_0000 + value);
}

function matroskaCases(docType: string): (bytes: number) => WorstCases {
  const header = (...elements: readonly Buffer[]) => {
    const content = Buffer.concat(elements);
    return Buffer.concat([Buffer.from([0x1a, 0x45, 0xdf, 0xa3]), vint(content.length), content]);
  };
  const named = header(Buffer.from([0x42, 0x82, 0x80 | docType.length]), latin1(docType));
  const segment = (...ids: readonly number[]) => Buffer.from(ids.flatMap((id) => [...uint(4, id).subarray(uint(4, id).findIndex((byte) => byte > 0)), 0xff])); // prettier-ignore
  const [all, tracks, track] = [0x18538067, 0x1654ae6b, 0xae];
  return (bytes) => ({
    "empty elements in the header": header(fill("", Buffer.from([0xec, 0x80]), bytes)),
    "empty elements in the segment": fill(Buffer.concat([named, segment(all)]), Buffer.from([0xec, 0x80]), bytes),
    "empty tracks": fill(Buffer.concat([named, segment(all, tracks)]), Buffer.from([0xae, 0x80]), bytes),
    "empty elements in a track": fill(Buffer.concat([named, segment(all, tracks, track)]), Buffer.from([0xec, 0x80]), bytes), // prettier-ignore
    "track lists without end": fill(Buffer.concat([named, segment(all)]), Buffer.from([0x16, 0x54, 0xae, 0x6b, 0x80]), bytes), // prettier-ignore
    "elements of unknown size in elements of unknown size": fill(Buffer.concat([named, segment(all)]), segment(tracks, track), bytes), // prettier-ignore
  });
}

function oggCases(packet: string): (bytes: number) => WorstCases {
  const page = (...segments: readonly number[]) => Buffer.concat([latin1("OggS\0\x02"), Buffer.alloc(20), Buffer.from([segments.length, ...segments])]); // prettier-ignore
  const first = Buffer.concat([page(packet.length), latin1(packet)]);
  return (bytes) => ({
    "empty pages": fill(first, page(), bytes),
    "pages of empty segments": fill(first, page(...Array<number>(255).fill(0)), bytes),
  });
}

const emptyChunk = latin1("\0\0\0\0abCd\0\0\0\0");
const header13 = Buffer.from([0, 0, 0, 16, 0, 0, 0, 16, 8, 6, 0, 0, 0]);

/** A TIFF directory of entries without a meaning, as in EXIF too. */
function directory(bytes: number): Buffer {
  const entries = Math.floor((Math.min(bytes, 65_000) - 16) / 12);
  return fill(Buffer.concat([latin1("MM\0*\0\0\0\x08"), uint(2, entries)]), "\x01\x0e\0\x03\0\0\0\x01\0\x01\0\0", 8 + 2 + 12 * entries); // prettier-ignore
}

function pngCases(animated: boolean): (bytes: number) => WorstCases {
  const start = animated ? png(["IHDR", header13], ["acTL", Buffer.alloc(8)]) : png(["IHDR", header13]);
  return (bytes) => ({
    "empty chunks": fill(start, emptyChunk, bytes),
    "EXIF chunks": fill(start, png(["eXIf", directory(2048)]).subarray(8), bytes),
    "a long EXIF directory": Buffer.concat([start, png(["eXIf", directory(bytes)]).subarray(8)]),
  });
}

/** Directory entries that all point to the same picture after the directory. */
export function iconOf(picture: Buffer, entries = 1024): Buffer {
  const at = 6 + 16 * entries;
  const entry = Buffer.alloc(16);
  entry.set([16, 16, 0, 0, 1, 0, 32, 0]);
  entry.writeUInt32LE(picture.length, 8);
  entry.writeUInt32LE(at, 12);
  return Buffer.concat([
    Buffer.from([0, 0, 1, 0, entries & 255, entries >> 8]),
    Buffer.alloc(16 * entries, entry),
    picture,
  ]);
}

function tiffCases(bytes: number): WorstCases {
  const big = (count: number) => {
    const buffer = Buffer.alloc(24);
    buffer.write("MM\0+\0\x08\0\0", "latin1");
    buffer.writeBigUInt64BE(16n, 8);
    buffer.writeBigUInt64BE(BigInt(count), 16);
    return buffer;
  };
  return {
    "entries without end": fill("MM\0*\0\0\0\x08\xff\xff", "\x01\x0e\0\x03\0\0\0\x01\0\x01\0\0", bytes),
    "entries without end, 64 bits": fill(
      big(2 ** 32),
      Buffer.concat([uint(2, 256), uint(2, 16), Buffer.alloc(16, 1)]),
      bytes,
    ),
  };
}

function markupCases(root: string): (bytes: number) => WorstCases {
  return (bytes) => ({
    comments: fill("", "<!---->", bytes),
    "comments and line breaks": fill("", "\n<!-- -->", bytes),
    instructions: fill("", "<?a?>", bytes),
    "comments that do not end": fill("", "<!--", bytes),
    "document types": fill("", "<!DOCTYPE a>", bytes),
    "brackets in the document type": fill("<!DOCTYPE a ", "[", bytes),
    "quotes in the document type": fill("<!DOCTYPE a ", "''", bytes),
    "comments in the document type": fill("<!DOCTYPE a [", "<!---->", bytes),
    "letters in the document type": fill("<!DOCTYPE a [", "a", bytes),
    attributes: fill(`<${root}`, ' a=""', bytes),
    "an attribute without a value": fill(`<${root} `, "a", bytes),
    "an attribute without an end": fill(`<${root} a="`, "a", bytes),
    "spaces before an attribute": fill(`<${root}`, " ", bytes),
    "spaces behind an attribute": fill(`<${root} a`, " ", bytes),
    "spaces behind an equals sign": fill(`<${root} a=`, " ", bytes),
    "an element name": fill(`<${root}`, "a", bytes),
    spaces: fill("", " ", bytes),
    "spaces, then no markup": fill("", "  é", bytes),
    "characters of several bytes": fill(`<!--`, Buffer.from("語"), bytes),
    "bytes of no encoding": fill(`<!--`, "\xff", bytes),
    "UTF-16 comments": fill("\xff\xfe", Buffer.from("<!---->", "utf16le"), bytes),
  });
}

// Deflate compresses it to a thousandth, and a file may have several members (RFC 1952 2.2).
const inflatedBytes = 16 * 1024 ** 2;
const gzipBomb = (start: string, unit: string, bytes: number) =>
  fill("", gzipSync(fill(start, unit, inflatedBytes)), bytes);

function gzipCases(bytes: number): WorstCases {
  const markup = Object.entries(markupCases("svg")(bytes));
  return {
    ...Object.fromEntries(markup.map(([name, text]) => [`gzip of ${name}`, fill("", gzipSync(text), bytes)])),
    "gzip of zeros": gzipBomb("", "\0", bytes),
    "gzip of a drawing, then spaces": gzipBomb("<svg ", " ", bytes),
    "gzip of comments": gzipBomb("", "<!---->", bytes),
    "gzip of bytes that hardly become fewer": fill("", gzipSync(noise(256, 256, 1)), bytes),
    "empty blocks": fill("\x1f\x8b\x08\0\0\0\0\0\0\xff", "\0\0\0\xff\xff", bytes),
    "a comment in the gzip header": fill("\x1f\x8b\x08\x10\0\0\0\0\0\xff", "a", bytes),
  };
}

/** The boxes that stand before the header of a JPEG 2000 file. */
export const jp2Start = Buffer.concat([latin1("\0\0\0\x0cjP  \r\n\x87\n"), fileType("jp2 ")]);

/** Worst cases of each format for the parsers of heads. A new row of the table compiles only with an entry here. */
export const worstCases: Readonly<Record<FormatName, (bytes: number) => WorstCases>> = {
  jpeg: (bytes) => ({
    "empty segments": fill("\xff\xd8", "\xff\xe0\0\x02", bytes),
    "fill bytes": fill("\xff\xd8", "\xff", bytes),
    "EXIF segments": fill("\xff\xd8", Buffer.concat([latin1("\xff\xe1"), uint(2, 2056), latin1("Exif\0\0"), directory(2048), Buffer.alloc(12)]), bytes), // prettier-ignore
    "a long EXIF directory": Buffer.concat([
      latin1("\xff\xd8\xff\xe1\xff\xff"),
      fill(Buffer.concat([latin1("Exif\0\0"), directory(bytes)]), "\0", bytes),
    ]),
    "frame headers": fill("\xff\xd8", "\xff\xc2\0\x08\x08\x02\0\x02\0\0", bytes),
    "frame headers of thousands of components": fill(
      "\xff\xd8",
      fill(latin1("\xff\xc2\xff\xff\x08\x02\0\x02\0\x03"), "abc", 65_537),
      bytes,
    ),
    "tables of quantisers": fill("\xff\xd8", "\xff\xdb\0\x05\0\x01\x01", bytes),
    "scans of nothing": fill("\xff\xd8\xff\xc2\0\x0b\x08\x02\0\x02\0\x01\x01\x11\0", "\xff\xda\0\x02", bytes),
  }),
  apng: pngCases(true),
  png: pngCases(false),
  gif: filled("gif"),
  webp: filled("webp"),
  avif: heifCases("avif"),
  heic: heifCases("heic"),
  heif: heifCases("mif1"),
  jxl: (bytes) => ({
    ...filled("jxl")(bytes),
    "empty boxes": fill("\0\0\0\x0cJXL \r\n\x87\n", emptyBox, bytes),
  }),
  jp2: (bytes) => ({
    ...filled("jp2")(bytes),
    "empty boxes": fill(jp2Start, emptyBox, bytes),
    "empty boxes in the header": Buffer.concat([jp2Start, boxOf("jp2h", emptyBox, bytes)]),
    headers: fill(jp2Start, box("jp2h", emptyBox), bytes),
    "boxes in boxes": Buffer.concat([jp2Start, nestedBoxes("jp2h", bytes)]),
  }),
  j2c: filled("j2c"),
  tiff: tiffCases,
  bmp: filled("bmp"),
  ico: (bytes) => ({
    "entries that share a PNG of empty chunks": iconOf(pngCases(false)(bytes - 16_390)["empty chunks"]!),
    "entries that share a PNG of EXIF chunks": iconOf(pngCases(false)(bytes - 16_390)["EXIF chunks"]!),
    "entries that share a bitmap": iconOf(fill(Buffer.from([40, 0, 0, 0, 16, 0, 0, 0, 32, 0, 0, 0, 1, 0, 32, 0, 3]), "\0", bytes - 16_390)), // prettier-ignore
    "entries without end": fill(iconOf(Buffer.alloc(0), 65_535), "\0", bytes).subarray(0, bytes),
  }),
  psd: filled("psd"),
  qoi: filled("qoi"),
  pdf: filled("pdf"),
  "3gp-audio": movieCases("3gp6", "isom"),
  m4a: movieCases("M4A ", "isom"),
  mov: movieCases("qt  "),
  "3gp": movieCases("3gp5", "isom"),
  mp4: movieCases("isom", "mp42"),
  isobmff: movieCases("isom"),
  avi: filled("avi"),
  "webm-audio": matroskaCases("webm"),
  webm: matroskaCases("webm"),
  "matroska-audio": matroskaCases("matroska"),
  matroska: matroskaCases("matroska"),
  "ogg-video": oggCases("fishead\0"),
  "ogg-audio": oggCases("OpusHead\x01"),
  ogg: oggCases("unheard of"),
  flac: repeatedTag("flac"),
  wav: filled("wav"),
  aiff: filled("aiff"),
  amr: filled("amr"),
  aac: repeatedTag("aac"),
  mp3: repeatedTag("mp3"),
  ...streamCases,
  ...packageCases,
  zip: filled("zip"),
  cfb: filled("cfb"),
  tgs: (bytes) => ({
    ...filled("tgs")(bytes),
    "gzip of keys": gzipBomb('{"', '"fr":', bytes),
    "gzip of spaces before a value": gzipBomb('{"fr"', " ", bytes),
  }),
  svgz: gzipCases,
  gzip: gzipCases,
  "7z": filled("7z"),
  rar: filled("rar"),
  woff2: filled("woff2"),
  woff: filled("woff"),
  otf: filled("otf"),
  ttf: filled("ttf"),
  ttc: filled("ttc"),
  eot: filled("eot"),
  wasm: filled("wasm"),
  sqlite: filled("sqlite"),
  vcard: filled("vcard"),
  icalendar: filled("icalendar"),
  svg: markupCases("svg"),
  html: markupCases("html"),
  xml: markupCases("feed"),
  json: (bytes) => ({
    "an escaped key": fill('{"', "\\", bytes),
    "a key without an end": fill('{"', "a", bytes),
    "lists in lists": fill("", "[", bytes),
    "objects in objects": fill("", '{"a":', bytes),
    "spaces in an object": fill("{", " ", bytes),
    "spaces in a list": fill("[", " ", bytes),
    "spaces behind a key": fill('{"a"', " ", bytes),
    "spaces behind an empty object": fill("{}", " \n", bytes),
  }),
  text: (bytes) => ({
    letters: fill("", "a", bytes),
    "characters of several bytes": fill("", Buffer.from("語"), bytes),
    "a control character at the end": Buffer.concat([fill("", "a", bytes - 1), Buffer.from([1])]),
    "control characters that are text": fill("", "\x1b\t", bytes),
    spaces: fill("", " \n", bytes),
  }),
};
