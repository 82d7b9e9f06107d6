import { gzipSync } from "node:zlib";
import type { FormatName } from "../../src/media/formats/index.ts";
import { samples } from "../../src/media/worker/samples.ts";
import { packageHeads } from "./package-heads.ts";
import * as streams from "./stream-heads.ts";

export function latin1(text: string): Buffer {
  return Buffer.from(text, "latin1");
}

function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}

/** A box of an ISO base media file. */
export function box(type: string, ...contents: readonly (Buffer | string)[]): Buffer {
  const content = Buffer.concat(contents.map((part) => (typeof part === "string" ? latin1(part) : part)));
  return Buffer.concat([uint32(8 + content.length), latin1(type), content]);
}

export function fileType(...brands: readonly [string, ...string[]]): Buffer {
  return box("ftyp", brands[0], uint32(0), brands.join(""));
}

/** A movie with one track for each handler. */
export function movie(...handlers: readonly string[]): Buffer {
  return box(
    "moov",
    ...handlers.map((handler) => box("trak", box("mdia", box("hdlr", uint32(0), uint32(0), handler)))),
  );
}

/** An EBML element of less than 127 bytes. */
function element(id: readonly number[], ...contents: readonly Buffer[]): Buffer {
  const content = Buffer.concat(contents);
  return Buffer.concat([Buffer.from([...id, 0x80 | content.length]), content]);
}

export function matroska(docType: string, ...trackTypes: readonly number[]): Buffer {
  const tracks = trackTypes.map((type) => element([0xae], element([0x83], Buffer.from([type]))));
  return Buffer.concat([
    element([0x1a, 0x45, 0xdf, 0xa3], element([0x42, 0x82], latin1(docType))),
    element([0x18, 0x53, 0x80, 0x67], element([0x16, 0x54, 0xae, 0x6b], ...tracks)),
  ]);
}

/** The first page of each stream of an Ogg file. */
export function ogg(...packets: readonly string[]): Buffer {
  const pages = packets.map((packet) =>
    Buffer.concat([latin1("OggS\0\x02"), Buffer.alloc(20), Buffer.from([1, packet.length]), latin1(packet)]),
  );
  return Buffer.concat(pages);
}

export function png(...chunks: readonly [type: string, content: Buffer][]): Buffer {
  const encoded = chunks.map(([type, content]) =>
    Buffer.concat([uint32(content.length), latin1(type), content, uint32(0)]),
  );
  return Buffer.concat([latin1("\x89PNG\r\n\x1a\n"), ...encoded]);
}

/** Two frames of silence of 417 bytes: MPEG 1, layer III, 128 kbit/s, 44.1 kHz. */
export function mp3Frames(): Buffer {
  const frame = Buffer.alloc(417);
  frame.set([0xff, 0xfb, 0x90, 0x00]);
  return Buffer.concat([frame, frame]);
}

/** Two frames of 16 bytes. */
export function adtsFrames(): Buffer {
  const frame = Buffer.alloc(16);
  frame.set([0xff, 0xf1, 0x50, 0x80, 16 >> 3, (16 & 7) << 5, 0xfc]);
  return Buffer.concat([frame, frame]);
}

export function icon(): Buffer {
  const entry = Buffer.from([16, 16, 0, 0, 1, 0, 32, 0, 40, 0, 0, 0, 22, 0, 0, 0]);
  return Buffer.concat([Buffer.from([0, 0, 1, 0, 1, 0]), entry, Buffer.alloc(40)]);
}

/** The start of a font: its version, the number of its tables, and the first table. */
function font(version: string): Buffer {
  return latin1(`${version}\0\x0a\0\x80\0\x03\0\x20GDEF\0\0\0\0`);
}

/** A web font: the version of the font in it, its length, the number of its tables. */
function webFont(signature: string): Buffer {
  return latin1(`${signature}\0\x01\0\0\0\0\x20\0\0\x0a\0\0\0\0\x40\0`);
}

/** Embedded OpenType: the lengths, the version, and the magic number. */
function embeddedFont(): Buffer {
  const header = Buffer.alloc(80);
  header.set([80, 0, 0, 0, 0, 0, 0, 0, 1, 0, 2, 0]);
  header.write("LP", 34);
  return header;
}

function compoundFile(): Buffer {
  const header = Buffer.alloc(512);
  header.set([0xd0, 0xcf, 0x11, 0xe0, 0xa1, 0xb1, 0x1a, 0xe1]);
  header.set([0x3e, 0, 3, 0, 0xfe, 0xff, 9, 0], 24);
  return header;
}

const lottie = '{"tgs":1,"v":"5.5.2","fr":60,"ip":0,"op":180,"w":512,"h":512,"layers":[]}';

const sample = (name: keyof typeof samples) => Buffer.from(samples[name], "base64");

/** The beginning of a file of each format. A new row of the table compiles only with an entry here. */
export const heads: Readonly<Record<FormatName, Buffer>> = {
  jpeg: sample("jpeg"),
  apng: png(
    ["IHDR", Buffer.alloc(13)],
    ["iCCP", Buffer.alloc(900)],
    ["acTL", Buffer.alloc(8)],
    ["IDAT", Buffer.alloc(9)],
  ),
  png: sample("png"),
  gif: sample("gif"),
  webp: sample("webp"),
  avif: sample("avif"),
  heic: fileType("mif1", "mif1", "heic"),
  heif: fileType("mif1", "miaf"),
  jxl: Buffer.from([0xff, 0x0a, 0x00]),
  jp2: latin1("\0\0\0\x0cjP  \r\n\x87\n\0\0\0\x14ftypjp2 "),
  j2c: Buffer.from([0xff, 0x4f, 0xff, 0x51, 0, 41]),
  tiff: sample("tiff"),
  bmp: Buffer.concat([latin1("BM"), Buffer.alloc(12), Buffer.from([40, 0, 0, 0]), Buffer.alloc(36)]),
  ico: icon(),
  psd: latin1("8BPS\0\x01\0\0\0\0\0\0\0\x03"),
  qoi: latin1("qoif\0\0\0\x01\0\0\0\x01\x04\0"),
  pdf: latin1("%PDF-1.7\n%\xe2\xe3\xcf\xd3\n"),
  "3gp-audio": Buffer.concat([fileType("3gp6", "isom"), movie("soun")]),
  m4a: Buffer.concat([fileType("isom"), movie("soun")]),
  mov: fileType("qt  "),
  "3gp": fileType("3gp5", "isom"),
  mp4: Buffer.concat([fileType("isom", "mp42"), movie("soun", "vide")]),
  isobmff: Buffer.concat([fileType("isom"), box("free"), Buffer.from([0, 0x10, 0, 0]), latin1("mdat")]),
  avi: latin1("RIFF\x10\0\0\0AVI LIST"),
  flv: streams.flvHeader,
  "asf-video": streams.asfHeader(streams.asfStream("audio"), streams.asfStream("video")),
  "asf-audio": streams.asfHeader(streams.asfStream("audio")),
  asf: streams.asfHeader(streams.asfFile(0)),
  "mpeg-ts": streams.tsPackets(5),
  "mpeg-ps": streams.mpeg2Pack,
  "mpeg1-ps": streams.mpeg1Pack,
  "mpeg-video": streams.sequenceHeader(96, 64, 1, false),
  "webm-audio": matroska("webm", 2),
  webm: matroska("webm", 1, 2),
  "matroska-audio": matroska("matroska", 2),
  matroska: matroska("matroska", 2, 1),
  "ogg-video": ogg("fishead\0", "\x01vorbis", "\x80theora"),
  "ogg-audio": ogg("OpusHead\x01"),
  ogg: ogg("unheard of"),
  flac: latin1("fLaC\0\0\0\x22"),
  wav: latin1("RIFF\x24\0\0\0WAVEfmt "),
  aiff: latin1("FORM\0\0\0\x40AIFFCOMM"),
  amr: latin1("#!AMR\n\x3c"),
  caf: streams.cafStart("lpcm", 8000, { bytes: 4, frames: 1 }),
  au: streams.auHeader(0),
  wavpack: streams.wavpackBlock(0),
  ape: streams.monkeysAudio(1, 0),
  musepack: streams.musepack8(0, 0),
  tta: streams.trueAudio(0),
  ac3: streams.ac3Frames(2),
  eac3: streams.eac3Frames(2),
  aac: adtsFrames(),
  mp3: mp3Frames(),
  ...packageHeads,
  zip: latin1("PK\x03\x04\x14\0\0\0"),
  cfb: compoundFile(),
  tgs: gzipSync(lottie),
  svgz: gzipSync('<svg width="2" height="1"/>'),
  gzip: Buffer.from([0x1f, 0x8b, 8, 0, 0, 0, 0, 0]),
  "7z": Buffer.from([0x37, 0x7a, 0xbc, 0xaf, 0x27, 0x1c, 0, 4]),
  rar: latin1("Rar!\x1a\x07\x01\0"),
  woff2: webFont("wOF2"),
  woff: webFont("wOFF"),
  otf: font("OTTO"),
  ttf: font("\0\x01\0\0"),
  ttc: latin1("ttcf\0\x01\0\0\0\0\0\x02\0\0\0\x14"),
  eot: embeddedFont(),
  wasm: latin1("\0asm\x01\0\0\0"),
  sqlite: latin1("SQLite format 3\0"),
  vcard: Buffer.from("BEGIN:VCARD\r\nVERSION:3.0\r\nFN:Zoë\r\nEND:VCARD\r\n"),
  icalendar: Buffer.from("BEGIN:VCALENDAR\r\nVERSION:2.0\r\nEND:VCALENDAR\r\n"),
  svg: Buffer.from('<?xml version="1.0"?>\n<!-- <html> -->\n<!DOCTYPE svg PUBLIC ">">\n<svg width="2" height="1"/>'),
  html: Buffer.from("\n<!doctype HTML><title>x</title>"),
  xml: Buffer.from('<?xml version="1.0"?><feed/>'),
  json: Buffer.from('{ "a": [1] }'),
  text: Buffer.from("Grüße\tund mehr\r\n"),
};
