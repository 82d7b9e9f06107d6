import type { FormatName } from "../src/media/formats.ts";

const notDecoded = "Size only: pixels are not decoded";
const codecs =
  "A frame needs ffmpeg; only the first 4 MB are looked at for one; HDR is not mapped to what a screen shows";
const moovAtEnd =
  "Of a file over MAX_BYTES whose tables stand at its end nothing is told where its server knows no ranges";
const typeOnly = "Type only";

/** What somebody should know who relies on a format; a line for each, also where there is nothing. */
export const knownIssues: Readonly<Record<FormatName, string>> = {
  jpeg: "CMYK without a profile is guessed as SWOP; of a gain map the picture for plain screens is taken",
  apng: "The first frame; Apple's variant (CgBI) has a size only",
  png: "Apple's variant (CgBI) has a size only",
  gif: "The first frame",
  webp: "The first frame",
  avif: "Of an animation the still picture, which files without one lack; some animations with alpha have a size only",
  heic: "A profile (Display P3) is applied where PNG is on too; HDR without one (nclx) is not mapped to what a screen shows. Without a thumbnail a size only from 26 megapixels on, with the default DECODE_BYTES. Uncompressed pixels (unci) and sequences without a still picture have none",
  heif: "As HEIC; other codecs than HEVC have a size only",
  jxl: "The first frame. From 6 megapixels on a size only with the default DECODE_BYTES",
  jp2: notDecoded,
  j2c: notDecoded,
  tiff: "Off unless named. The first page; of camera raw files that is a thumbnail",
  bmp: "Huffman and 24-bit runs of OS/2 have a size only; a profile is not applied",
  ico: "The largest picture",
  psd: notDecoded,
  qoi: notDecoded,
  pdf: "The first page, its size in points; fonts that are not embedded are replaced; what needs a password has no size",
  m4a: "The cover's hash",
  mov: `${codecs}. The oldest files, without a file type, have none. ${moovAtEnd}`,
  "3gp": `${codecs}. H.263 has a hash only where the tables stand at the front. ${moovAtEnd}`,
  mp4: codecs,
  isobmff: `${codecs}. Sound alone is called a video where the tables stand at the end and no brand tells. ${moovAtEnd}`,
  avi: `${codecs}. Over 1 GB (OpenDML) the length is that of the first part; pixels are taken as square`,
  "webm-audio": "The cover's hash",
  webm: codecs,
  "matroska-audio": "The cover's hash",
  matroska: codecs,
  "ogg-video": `${codecs}. Theora alone; Dirac and OGM have a type only`,
  "ogg-audio": "Opus is told a few milliseconds shorter than by ffprobe, which counts what players skip",
  ogg: "Other codecs than Vorbis, Opus, FLAC, Speex and Theora have a type only",
  flac: "The cover's hash",
  wav: "None known",
  aiff: "Covers are not looked for",
  amr: "Files with several channels are told too long",
  aac: "As long as its frames; what encoders add at the ends is counted",
  mp3: "The cover's hash. Without a count of its frames all of it is gone through",
  zip: typeOnly,
  gzip: typeOnly,
  "7z": typeOnly,
  rar: typeOnly,
  svg: "Off unless named. Percentages and font units count as missing; a size that is neither in attributes nor in a viewBox is not told",
  svgz: "As SVG",
  html: typeOnly,
  xml: typeOnly,
  json: typeOnly,
  text: typeOnly,
};
