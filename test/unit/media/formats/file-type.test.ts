import { fileTypeFromBuffer, supportedExtensions } from "file-type";
import { describe, expect, test } from "vitest";
import { type FormatName, formats } from "../../../../src/media/formats/index.ts";
import { sniff } from "../../../../src/media/formats/sniff.ts";
import { ffmpeg } from "../../../support/decoder.ts";
import { fileType, heads, ogg } from "../../../support/heads.ts";
import { runFfmpeg } from "../../../support/media-files.ts";
import { requires } from "../../../support/require.ts";

// The second opinion: npm file-type, which reads the same signatures by other code.

const registered = "the other name is registered with IANA";
const byTracks = "file-type does not read the tracks";
const byContent = "file-type does not look into the compressed text";

/** Formats whose type differs from file-type's on purpose, with its type (null: unknown to it) and the reason. */
const differences: Partial<Record<FormatName, readonly [type: string | null, reason: string]>> = {
  heic: ["image/heif", "file-type reads the major brand alone"],
  ico: ["image/x-icon", registered],
  qoi: [null, "unknown to file-type"],
  m4a: ["video/mp4", byTracks],
  "3gp-audio": ["video/3gpp", byTracks],
  avi: ["video/vnd.avi", "what servers and clients call it"],
  "asf-video": ["audio/x-ms-asf", "file-type reads the first stream alone"],
  asf: [null, "a header without a stream is none for file-type"],
  "webm-audio": ["video/webm", byTracks],
  "matroska-audio": ["video/matroska", byTracks],
  matroska: ["video/matroska", "what servers and clients call it"],
  "ogg-video": ["application/ogg", "file-type reads the first stream alone"],
  caf: [null, "unknown to file-type"],
  au: [null, "unknown to file-type"],
  tta: [null, "unknown to file-type"],
  ac3: ["audio/vnd.dolby.dd-raw", "what servers and players call it (RFC 4184)"],
  eac3: ["audio/vnd.dolby.dd-raw", "not AC-3 (RFC 4598)"],
  apk: ["application/java-archive", "file-type stops at the first entry, which a signed package shares with Java's"],
  svg: ["application/xml", "file-type does not read the root element"],
  svgz: ["application/gzip", byContent],
  tgs: ["application/gzip", byContent],
  rar: ["application/x-rar-compressed", registered],
  sqlite: ["application/x-sqlite3", registered],
  html: [null, "unknown to file-type"],
  json: [null, "unknown to file-type"],
  text: [null, "unknown to file-type"],
};

/** Extensions of file-type that this service does not sniff: their type is the one of the Content-Type header. */
const unknownExtensions =
  "flif xcf jxr icns indd tar tar.gz bz2 dmg mid elf macho exe swf rtf ps eps xz nes crx xpi cab deb ar rpm Z lz lz4 " +
  "lzh zst mxf blend bpg qcp mobi ktx dcm glb pcap dsf lnk alias voc mie arrow shp it s3m xm skp pgp asar stl chm " +
  "pst dwg parquet class arj cpio ace avro icc fbx vtt drc jmp rm sav reg dat jls";

/** Extensions of file-type that are one format here, with the reason. */
const sharedExtensions: Readonly<Record<string, string>> = {
  "cr2 arw dng nef orf rw2 raf": "camera raw files are TIFF, or have no type of their own",
  "cr3 3g2 m4v m4p f4v f4p f4a f4b jpm jpx mj2": "brands of ISO base media files and of JPEG 2000",
  "mp1 mp2": "the layers of MPEG audio",
  ogm: "Ogg",
  cur: "an icon",
  "3mf vsdx": "other packages in a ZIP archive",
};

/** Zeros behind a head: file-type reads signatures at fixed offsets, and past the end of some heads. */
function padded(name: FormatName): Buffer {
  const isText = formats.find((format) => format.name === name)!.kind === "text";
  return Buffer.concat([heads[name], Buffer.alloc(isText ? 0 : 512)]);
}

async function typeByOther(file: Uint8Array): Promise<string | null> {
  const found = await fileTypeFromBuffer(file);
  return found?.mime.toLowerCase().split(";")[0] ?? null;
}

test.each(formats)("the type of $name is that of file-type, or differs for a reason", async ({ name, type }) => {
  const other = await typeByOther(padded(name));
  expect(other).toBe(name in differences ? differences[name]![0] : type);
  if (name in differences) expect(other).not.toBe(type);
});

test("each extension of file-type has a file here, or is listed as unknown or shared", async () => {
  const streams = ["\x01vorbis", "\x80theora", "\x7fFLAC", "Speex   "];
  const more = [fileType("M4A "), fileType("M4B "), ...streams.map((packet) => ogg(packet.padEnd(64, "\0")))];
  const apk = heads.apk.subarray(heads.apk.indexOf("PK\x03\x04", 4, "latin1")); // without Java's manifest
  const files = [...formats.map(({ name }) => padded(name)), ...more, apk];
  const found = await Promise.all(files.map((file) => fileTypeFromBuffer(file)));
  const known = new Set<string>(found.flatMap((type) => type?.ext ?? []));
  const missing = [...supportedExtensions].filter((extension) => !known.has(extension));
  const listed = [unknownExtensions, ...Object.keys(sharedExtensions)].flatMap((list) => list.split(" "));
  expect(missing.sort()).toEqual(listed.sort());
});

const frames = ["-f", "lavfi", "-i", "color=red:s=96x64:d=1:r=25"];
const tone = ["-f", "lavfi", "-i", "sine=d=1"];

describe.skipIf(requires("ffmpeg", ffmpeg !== null))("a file that ffmpeg wrote", () => {
  test.each<[string, FormatName, readonly string[]]>([
    ["a.ts", "mpeg-ts", [...frames, ...tone]],
    ["a.m2ts", "mpeg-ts", [...frames, ...tone]],
    ["a.flv", "flv", [...frames, ...tone]],
    ["a.wmv", "asf-video", frames],
    ["a.wma", "asf-audio", tone],
    ["a.mpg", "mpeg1-ps", frames],
    ["a.vob", "mpeg-ps", frames],
    ["a.m1v", "mpeg-video", frames],
    ["a.m2v", "mpeg-video", frames],
    ["a.caf", "caf", tone],
    ["a.au", "au", tone],
    ["a.wv", "wavpack", tone],
    ["a.tta", "tta", tone],
    ["a.ac3", "ac3", tone],
    ["a.eac3", "eac3", tone],
  ])("%s is sniffed as %s, and has the type of file-type unless it is listed", async (file, name, args) => {
    const body = runFfmpeg(file, args);
    const { type, ...format } = sniff(body)!;
    expect(format.name).toBe(name);
    const other = await typeByOther(body);
    expect(other).toBe(name in differences && name !== "asf-video" ? differences[name]![0] : type);
  });

  test("a video of Windows Media whose first stream is sound is a video", () => {
    const body = runFfmpeg("a.wmv", [...tone, ...frames, "-map", "0", "-map", "1"]);
    expect(sniff(body)).toMatchObject({ name: "asf-video", type: "video/x-ms-asf" });
  });
});
