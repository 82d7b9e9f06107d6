import type { FormatName } from "../src/media/formats/index.ts";
import { type PackageName, packages } from "../src/media/formats/packages.ts";

const notDecoded = "Dimensions only: pixels are not decoded";
const codecs = "Hashes need ffmpeg and a frame in the first 4 MB; HDR is not tone-mapped";
const moovAtEnd =
  "A file over MAX_BYTES with its tables (`moov`) at the end has a type only if its server does not support ranges";
const programStream = `${codecs}. No duration`;
const wholeDuration = "The duration takes the whole file, and ends at the first damaged frame";
const typeOnly = "Type only";

const packageIssues = Object.fromEntries(Object.keys(packages).map((name) => [name, typeOnly])) as Readonly<
  Record<PackageName, string>
>;

/** Known limitations of each format, one line each; published in docs/formats.md. */
export const knownIssues: Readonly<Record<FormatName, string>> = {
  jpeg: "CMYK without a profile is assumed to be SWOP; a gain map is ignored: the SDR picture is hashed",
  apng: "The first frame; Apple's variant (CgBI) has dimensions only",
  png: "Apple's variant (CgBI) has dimensions only",
  gif: "The first frame",
  webp: "The first frame",
  avif: "An animation has the hash of its still picture, or none without one; some animations with alpha have dimensions only",
  heic: "A profile (Display P3) is applied only if PNG is enabled too; HDR without a profile (nclx) is not tone-mapped. From 26 megapixels on, with the default DECODE_BYTES, a file without a thumbnail has dimensions only. Uncompressed pixels (unci) and sequences without a still picture have no hash",
  heif: "As HEIC; other codecs than HEVC have dimensions only",
  jxl: "The first frame. From 6 megapixels on, with the default DECODE_BYTES, dimensions only",
  jp2: notDecoded,
  j2c: notDecoded,
  tiff: "Disabled by default. The first page; in camera raw files that is a thumbnail",
  bmp: "Huffman and 24-bit run-length encoding of OS/2 have dimensions only; profiles are ignored",
  ico: "The largest picture",
  psd: notDecoded,
  qoi: notDecoded,
  pdf: "The first page, with its size in points; fonts that are not embedded are replaced; encrypted files have no dimensions",
  "3gp-audio": "The cover's hash",
  m4a: "The cover's hash",
  mov: `${codecs}. The oldest files, without a file type box, have no hash. ${moovAtEnd}`,
  "3gp": `${codecs}. H.263 has a hash only if the tables are at the front. ${moovAtEnd}`,
  mp4: codecs,
  isobmff: `${codecs}. The type of a file without tables at the front is the declared one if its server does not support ranges. ${moovAtEnd}`,
  avi: `${codecs}. Over 1 GB (OpenDML) the duration is that of the first part; pixels are assumed to be square`,
  "webm-audio": "The cover's hash",
  webm: codecs,
  "matroska-audio": "The cover's hash",
  matroska: codecs,
  "ogg-video": `${codecs}. Only Theora is supported; Dirac and OGM have a type only`,
  "ogg-audio":
    "The duration of Opus is a few milliseconds shorter than ffprobe's, which counts the samples that players skip",
  ogg: "Other codecs than Vorbis, Opus, FLAC, Speex and Theora have a type only",
  flac: "The cover's hash",
  wav: "None known",
  aiff: "Covers are ignored",
  amr: "The duration of files with several channels is too long",
  aac: "The duration includes the padding that encoders add at both ends",
  mp3: "The cover's hash. A file without a frame count is read to its end",
  flv: `${codecs}. Dimensions and duration are those of the metadata (onMetaData), none without it: then there is no hash either`,
  "asf-video": `${codecs}. Pixels are assumed to be square`,
  "asf-audio": "Covers are ignored",
  asf: "As video; the media type says neither audio nor video if the streams are described behind the first 12 KB",
  "mpeg-ts": `${codecs}. Of H.264 and H.265 only: MPEG-2 video has no dimensions and no hash. The duration takes the whole file`,
  "mpeg-ps": `${programStream}. Of MPEG-1 and MPEG-2 video only: others have a type only`,
  "mpeg1-ps": `${programStream}. Pixels are assumed to be square`,
  "mpeg-video": programStream,
  caf: "A file without a packet table, if its packets need one, has a type only",
  au: "ADPCM has a type only",
  wavpack: "No duration of DSD, of unusual sample rates, or if the encoder did not know it. Covers are ignored",
  ape: "Covers are ignored",
  musepack: "Stream versions before 7 are unknown. Covers are ignored",
  tta: "Covers are ignored",
  ac3: wholeDuration,
  eac3: wholeDuration,
  ...packageIssues,
  zip: "Type only. Other files in a ZIP archive have the type of the Content-Type header",
  cfb: "Type only: Office documents before 2007, installers and messages have the type of the Content-Type header",
  tgs: typeOnly,
  gzip: typeOnly,
  "7z": typeOnly,
  rar: typeOnly,
  woff2: typeOnly,
  woff: typeOnly,
  otf: typeOnly,
  ttf: typeOnly,
  ttc: typeOnly,
  eot: typeOnly,
  wasm: typeOnly,
  sqlite: typeOnly,
  vcard: typeOnly,
  icalendar: typeOnly,
  svg: "Disabled by default. Percentages and font units count as missing; without a size in attributes or in a viewBox there are no dimensions",
  svgz: "As SVG",
  html: typeOnly,
  xml: typeOnly,
  json: typeOnly,
  text: typeOnly,
};
