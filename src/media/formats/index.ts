import type { Size } from "../raster.ts";
import { type Test, all, any, at, createWorkBudget, hasAt, memoized, readUint32LE } from "./bytes.ts";
import { readMatroska } from "./ebml.ts";
import type { Decoding, Opened, Row } from "./format.ts";
import { firstBox, readBrands, readTracks } from "./isobmff.ts";
import { isAdts, isFlac, isMpegAudio } from "./mpeg-audio.ts";
import { asStill, hasPlainHevc, readHeifSize, readThumbnail } from "./heif.ts";
import { readGifSize } from "./gif.ts";
import { isIcon, readIconSize } from "./ico.ts";
import { readJ2cSize, readJp2Size } from "./jpeg2000.ts";
import { readJpegHeader, readJpegSize } from "./jpeg.ts";
import { readJxl } from "./jxl.ts";
import { readBmpSize } from "./bmp.ts";
import { readOgg } from "./ogg.ts";
import { isPng, pngChunks, readPngHeader, readPngSize, withoutTexts } from "./png.ts";
import { readPsdSize } from "./psd.ts";
import { readQoiSize } from "./qoi.ts";
import { samples } from "../worker/samples.ts";
import { gunzippedHead, readSvgSize } from "./svg.ts";
import { readHeadText, readMarkup } from "./text.ts";
import { readTiffSize } from "./tiff.ts";
import { readWebpSize } from "./webp.ts";

export type { Cost, Decoding, Kind, Opened, ReaderDecoding, VipsDecoding } from "./format.ts";

/** A format. Its name is its key in the table: unique, and used in metrics. */
export interface Format extends Required<Omit<Row, "refinedBy" | "decoding" | "isSometimesUnmarked" | "readSize">> {
  readonly name: FormatName;
  readonly refinedBy: RegExp | null;
  readonly isSometimesUnmarked: boolean;
  readonly readSize: ((body: Uint8Array) => Size | null) | null;
  readonly decoding: Decoding | null;
}

/** An interlaced PNG is decoded whole before it is downscaled. */
const pngCosts: Pick<Decoding, "bytesPerPixel" | "nanosecondsPerPixel"> = {
  bytesPerPixel: ({ isProgressive, bytesAPixel }) => (isProgressive ? 1.35 : 0.35) * bytesAPixel,
  nanosecondsPerPixel: ({ isProgressive, bytesAPixel }) => (isProgressive ? 10 : 5) * bytesAPixel,
};

const svgDecoding = {
  setting: "svg",
  loader: "VipsForeignLoadSvg",
  sample: samples.svg,
  bytesPerPixel: () => 1, // it is rendered at the small size; its cost is unpredictable
  nanosecondsPerPixel: () => 0,
  isUnpredictable: true, // a hundred bytes of nested `use` draw for minutes
  isAnimated: () => false,
} as const satisfies Decoding;

// Several rows use the same parser within one sniff, whose head is an object of its own.
const brandsIn = memoized(readBrands);
const firstBoxIn = memoized(firstBox);
const tracksIn = memoized(readTracks);
const matroskaIn = memoized(readMatroska);
const oggIn = memoized(readOgg);
const textIn = memoized(readHeadText);
const markupIn = memoized(readMarkup);

/** If a photo has a thumbnail, only that is decoded. */
function decodedShare({ head, pixels }: Opened): number {
  const thumbnail = readThumbnail(head);
  return thumbnail ? (thumbnail.width * thumbnail.height) / pixels : 1;
}

const heicDecoding = {
  setting: "heic",
  load: async () => (await import("../worker/readers/heic.ts")).reader,
  libraryBytes: 20e6,
  bytesPerPixel: (file) => (hasPlainHevc(file.head) ? 14 : 20) * decodedShare(file),
  nanosecondsPerPixel: (file) => 100 * decodedShare(file),
  isAnimated: ({ head }) => readBrands(head).some((brand) => ["hevc", "hevx", "hevm", "hevs", "msf1"].includes(brand)),
} as const satisfies Decoding;

/** Audio and video are measured by the headers of their tracks; the only decoded pixels are those of a cover. */
const inTracks = {
  load: async () => (await import("../worker/readers/tracks.ts")).reader,
  libraryBytes: 10e6,
  bytesPerPixel: () => 0,
  nanosecondsPerPixel: () => 0,
  isAnimated: () => false,
};
const video = { ...inTracks, setting: "video" } as const;
const audio = { ...inTracks, setting: "audio" } as const;
const loadOgg = async () => (await import("../worker/readers/ogg.ts")).reader;

/**
 * All formats, for sniffing in this order: the first match wins. To add a format, add a row here and, if its bytes or
 * pixels need more than a signature, a file beside this one.
 */
const table = {
  jpeg: {
    type: "image/jpeg",
    kind: "image",
    matches: at(0, [0xff, 0xd8, 0xff]), // ITU-T T.81, B.1.1.3: start of image, then a marker
    aliases: ["image/jpg", "image/pjpeg"],
    readSize: readJpegSize,
    decoding: {
      setting: "jpeg",
      loader: "VipsForeignLoadJpeg",
      sample: samples.jpeg,
      readHeader: readJpegHeader,
      // Progressive: all coefficients are kept, two bytes each; half as many where the chroma is subsampled.
      bytesPerPixel: ({ isProgressive, bytesAPixel }) => (isProgressive ? 2.1 * bytesAPixel : 0.12),
      nanosecondsPerPixel: ({ isProgressive, bytesAPixel }) => (isProgressive ? 9 * bytesAPixel : 5.5),
      isAnimated: () => false,
    },
  },
  apng: {
    type: "image/apng",
    kind: "image",
    matches: isAnimatedPng,
    aliases: ["image/png", "image/vnd.mozilla.apng"],
    readSize: readPngSize,
    decoding: {
      setting: "png",
      loader: "VipsForeignLoadPng",
      sample: samples.png,
      ...pngCosts,
      strip: withoutTexts,
      readHeader: readPngHeader,
      isAnimated: () => true,
    },
  },
  png: {
    type: "image/png",
    kind: "image",
    matches: isPng,
    aliases: ["image/x-png"],
    readSize: readPngSize,
    decoding: {
      setting: "png",
      loader: "VipsForeignLoadPng",
      sample: samples.png,
      ...pngCosts,
      strip: withoutTexts,
      readHeader: readPngHeader,
      isAnimated: () => false,
    },
  },
  gif: {
    type: "image/gif",
    kind: "image",
    matches: any(at(0, "GIF87a"), at(0, "GIF89a")), // GIF89a specification, 17
    readSize: readGifSize,
    decoding: {
      setting: "gif",
      loader: "VipsForeignLoadNsgif",
      sample: samples.gif,
      bytesPerPixel: () => 4.8,
      nanosecondsPerPixel: () => 15,
      isAnimated: ({ pages }) => pages > 1,
    },
  },
  webp: {
    type: "image/webp",
    kind: "image",
    matches: riff("WEBP"), // RFC 9649 2.4
    readSize: readWebpSize,
    decoding: {
      setting: "webp",
      loader: "VipsForeignLoadWebp",
      sample: samples.webp,
      // 4.3 if lossless, 2.4 with alpha; both have another first chunk than a plain lossy one.
      bytesPerPixel: ({ head }) => (hasAt(head, 12, "VP8 ") ? 0.05 : 4.3),
      nanosecondsPerPixel: () => 30,
      isAnimated: ({ pages }) => pages > 1,
    },
  },
  avif: {
    type: "image/avif",
    kind: "image",
    matches: stillBrand("avif", "avis"), // AV1 Image File Format 6
    aliases: ["image/avif-sequence"],
    readSize: readHeifSize,
    decoding: {
      setting: "avif",
      loader: "VipsForeignLoadHeif",
      sample: samples.avif,
      bytesPerPixel: () => 26, // 16 to 20 with 8 bits a sample
      nanosecondsPerPixel: () => 100,
      strip: asStill,
      isAnimated: ({ head }) => readBrands(head).includes("avis"),
    },
  },
  heic: {
    type: "image/heic",
    kind: "image",
    matches: stillBrand("heic", "heix", "hevc", "hevx", "heim", "heis", "hevm", "hevs"), // ISO/IEC 23008-12, B.4
    aliases: ["image/heif", "image/heic-sequence", "image/heif-sequence"],
    readSize: readHeifSize,
    decoding: heicDecoding,
  },
  heif: {
    type: "image/heif",
    kind: "image",
    matches: stillBrand("mif1", "mif2", "msf1", "miaf"), // ISO/IEC 23008-12, 10.2: any codec
    aliases: ["image/heic", "image/heif-sequence"],
    readSize: readHeifSize,
    decoding: heicDecoding,
  },
  jxl: {
    type: "image/jxl",
    kind: "image",
    // ISO/IEC 18181-1, codestream; 18181-2, container
    matches: any(at(0, [0xff, 0x0a]), at(0, [0, 0, 0, 12, 0x4a, 0x58, 0x4c, 0x20, 13, 10, 0x87, 10])),
    readSize: readJxlSize,
    decoding: {
      setting: "jxl",
      load: async () => (await import("../worker/readers/jxl.ts")).reader,
      libraryBytes: 20e6,
      bytesPerPixel: () => 55,
      nanosecondsPerPixel: () => 600,
      isAnimated: ({ head }) => readJxl(head)?.isAnimated ?? false,
    },
  },
  jp2: {
    type: "image/jp2",
    kind: "image",
    matches: at(0, [0, 0, 0, 12, 0x6a, 0x50, 0x20, 0x20, 13, 10, 0x87, 10]), // ITU-T T.800, I.5.1
    aliases: ["image/jpx", "image/jpm", "image/jpeg2000", "image/jpeg2000-image"],
    readSize: readJp2Size,
  },
  j2c: {
    type: "image/j2c",
    kind: "image",
    matches: at(0, [0xff, 0x4f, 0xff, 0x51]), // ITU-T T.800, A.4: start of codestream, then the size
    aliases: ["image/j2k", "image/x-j2c", "image/x-jp2-codestream", "image/jp2"],
    readSize: readJ2cSize,
  },
  tiff: {
    type: "image/tiff",
    kind: "image",
    matches: any(
      at(0, "II*\0"), // TIFF 6.0, section 2
      at(0, "MM\0*"),
      at(0, "II+\0\x08\0\0\0"), // BigTIFF: eight bytes an offset, then zero
      at(0, "MM\0+\0\x08\0\0"),
    ),
    // Camera raw files are TIFF with more in it.
    readSize: readTiffSize,
    refinedBy: /^image\/(?:x-(?:adobe-dng|canon-cr2|nikon-nef|sony-arw|pentax-pef)|tiff-fx)$/,
    decoding: {
      setting: "tiff",
      loader: "VipsForeignLoadTiff",
      sample: samples.tiff,
      bytesPerPixel: ({ bytesAPixel }) => 0.3 * bytesAPixel,
      nanosecondsPerPixel: ({ bytesAPixel }) => 6 * bytesAPixel,
      isAnimated: () => false,
    },
  },
  bmp: {
    type: "image/bmp",
    kind: "image",
    matches: isBmp,
    aliases: ["image/x-ms-bmp", "image/x-bmp"],
    readSize: readBmpSize,
    decoding: {
      setting: "bmp",
      load: async () => (await import("../worker/readers/bmp.ts")).reader,
      libraryBytes: 0,
      bytesPerPixel: () => 6,
      nanosecondsPerPixel: () => 50,
      isAnimated: () => false,
    },
  },
  ico: {
    type: "image/vnd.microsoft.icon",
    kind: "image",
    matches: isIcon,
    aliases: ["image/x-icon", "image/ico", "image/x-win-bitmap"],
    readSize: readIconSize,
    decoding: {
      setting: "ico",
      load: async () => (await import("../worker/readers/ico.ts")).reader,
      libraryBytes: 0,
      bytesPerPixel: () => 6,
      nanosecondsPerPixel: () => 50,
      isAnimated: () => false,
    },
  },
  psd: {
    type: "image/vnd.adobe.photoshop",
    kind: "image",
    matches: any(at(0, "8BPS\0\x01"), at(0, "8BPS\0\x02")), // Adobe Photoshop File Formats: version 1, or 2 (PSB)
    aliases: ["image/x-psd", "image/psd", "application/x-photoshop", "application/photoshop"],
    readSize: readPsdSize,
  },
  qoi: {
    type: "image/qoi",
    kind: "image",
    matches: at(0, "qoif"), // qoiformat.org
    aliases: ["image/x-qoi"],
    readSize: readQoiSize,
  },
  pdf: {
    type: "application/pdf",
    kind: "document",
    matches: at(0, "%PDF-"), // ISO 32000-1, 7.5.2
    aliases: ["application/x-pdf"],
    decoding: {
      setting: "pdf",
      load: async () => (await import("../worker/readers/pdf.ts")).reader,
      libraryBytes: 40e6,
      bytesPerPixel: () => 0,
      nanosecondsPerPixel: () => 0,
      isUnpredictable: true, // the cost depends on the content of the page
      isAnimated: () => false,
    },
  },
  m4a: {
    type: "audio/mp4",
    kind: "audio",
    matches: isMp4Audio,
    aliases: ["audio/x-m4a", "audio/m4a", "audio/x-m4b", "audio/aac", "audio/x-hx-aac-adts", "video/mp4"],
    decoding: audio,
  },
  mov: {
    type: "video/quicktime",
    kind: "video",
    // QuickTime File Format; the oldest files have no brand and begin with any of its atoms.
    matches: (head) =>
      brandsIn(head)[0] === "qt  " || ["moov", "mdat", "wide", "free", "skip", "pnot"].includes(firstBoxIn(head)),
    decoding: video,
  },
  "3gp": {
    type: "video/3gpp",
    kind: "video",
    matches: (head) => /^3g[2egprst]/.test(brandsIn(head)[0] ?? ""), // 3GPP TS 26.244, 5.4
    aliases: ["video/3gpp2", "video/3gp", "video/mp4"],
    refinedBy: /^audio\/(?:3gpp2?|mp4)$/,
    decoding: video,
  },
  mp4: {
    type: "video/mp4",
    kind: "video",
    matches: (head) => brandsIn(head).length > 0 && tracksIn(head).hasVideo === true, // ISO/IEC 14496-14
    aliases: ["application/mp4", "video/x-m4v", "video/m4v"],
    decoding: video,
  },
  // The tracks are beyond the head: most such files are videos.
  isobmff: {
    type: "video/mp4",
    kind: "video",
    matches: (head) => brandsIn(head).length > 0 || firstBoxIn(head) === "styp", // ISO/IEC 14496-12, 4.3 and 8.16.2
    aliases: ["application/mp4", "video/x-m4v", "video/m4v"],
    refinedBy: /^(?:audio\/(?:mp4|x-m4a|m4a|aac)|video\/iso\.segment|image\/x-canon-cr3|application\/.*)$/,
    decoding: video,
  },
  avi: {
    type: "video/x-msvideo",
    kind: "video",
    matches: riff("AVI "), // Microsoft, AVI RIFF File Reference
    aliases: ["video/avi", "video/msvideo", "video/vnd.avi"],
    decoding: { ...video, load: async () => (await import("../worker/readers/avi.ts")).reader },
  },
  "webm-audio": {
    type: "audio/webm",
    kind: "audio",
    matches: (head) => isMatroska(head, "webm", "audio"), // RFC 9559; webmproject.org, container guidelines
    aliases: ["video/webm"],
    decoding: audio,
  },
  webm: {
    type: "video/webm",
    kind: "video",
    matches: (head) => isMatroska(head, "webm", "any"),
    decoding: video,
  },
  "matroska-audio": {
    type: "audio/x-matroska",
    kind: "audio",
    matches: (head) => isMatroska(head, "matroska", "audio"), // RFC 9559
    aliases: ["audio/matroska", "video/x-matroska", "video/matroska"],
    decoding: audio,
  },
  matroska: {
    type: "video/x-matroska",
    kind: "video",
    matches: (head) => isMatroska(head, "matroska", "any"),
    aliases: ["video/matroska", "video/matroska-3d", "application/x-matroska"],
    decoding: video,
  },
  "ogg-video": {
    type: "video/ogg",
    kind: "video",
    matches: (head) => oggIn(head) === "video", // RFC 5334
    aliases: ["application/ogg"],
    decoding: { ...video, load: loadOgg },
  },
  "ogg-audio": {
    type: "audio/ogg",
    kind: "audio",
    matches: (head) => oggIn(head) === "audio",
    aliases: ["application/ogg", "audio/opus", "audio/x-opus+ogg", "audio/vorbis", "audio/x-vorbis+ogg"],
    decoding: { ...audio, load: loadOgg },
  },
  ogg: {
    type: "application/ogg",
    kind: "audio",
    matches: (head) => oggIn(head) === "unknown",
    refinedBy: /^(?:audio|video)\/(?:x-)?(?:ogg|opus|vorbis|speex|theora|flac)/,
    decoding: { ...audio, load: loadOgg },
  },
  flac: {
    type: "audio/flac",
    kind: "audio",
    matches: isFlac,
    aliases: ["audio/x-flac"],
    decoding: audio,
  },
  wav: {
    type: "audio/wav",
    kind: "audio",
    matches: any(riff("WAVE"), all(at(0, "RF64"), at(8, "WAVE"))), // RFC 2361; EBU Tech 3306 for RF64
    aliases: ["audio/x-wav", "audio/wave", "audio/vnd.wave", "audio/x-pn-wav"],
    decoding: audio,
  },
  aiff: {
    type: "audio/aiff",
    kind: "audio",
    matches: all(at(0, "FORM"), any(at(8, "AIFF"), at(8, "AIFC"))), // Apple, Audio Interchange File Format
    aliases: ["audio/x-aiff"],
    decoding: { ...audio, load: async () => (await import("../worker/readers/aiff.ts")).reader },
  },
  amr: {
    type: "audio/amr",
    kind: "audio",
    matches: any(at(0, "#!AMR\n"), at(0, "#!AMR-WB\n")), // RFC 4867 5
    aliases: ["audio/amr-wb", "audio/3gpp"],
    decoding: { ...audio, load: async () => (await import("../worker/readers/amr.ts")).reader },
  },
  aac: {
    type: "audio/aac",
    kind: "audio",
    matches: isAdts,
    aliases: ["audio/aacp", "audio/x-aac", "audio/x-hx-aac-adts"],
    isSometimesUnmarked: true, // streams cut out of the middle; LOAS
    decoding: audio,
  },
  mp3: {
    type: "audio/mpeg",
    kind: "audio",
    matches: isMpegAudio,
    aliases: ["audio/mp3", "audio/x-mp3", "audio/mpeg3", "audio/x-mpeg"],
    isSometimesUnmarked: true, // players skip anything before the first frame
    decoding: audio,
  },
  zip: {
    type: "application/zip",
    kind: "archive",
    matches: any(at(0, "PK\x03\x04"), at(0, "PK\x05\x06"), at(0, "PK\x07\x08")), // PKWARE APPNOTE 4.3.6, 4.3.16, 8.5.4
    aliases: ["application/x-zip-compressed", "application/x-zip", "multipart/x-zip"],
    refinedBy: /^application\/(?:vnd\.|x-|epub\+zip$|java-archive$|msword$)|\+zip$|^model\/3mf$/, // most office files
  },
  svgz: {
    type: "image/svg+xml",
    kind: "image",
    matches: (head) => readMarkup(gunzippedHead(head) ?? new Uint8Array())?.root === "svg", // SVG 1.1, appendix I
    aliases: ["image/svg", "application/gzip", "application/x-gzip"],
    readSize: readSvgSize,
    decoding: svgDecoding,
  },
  gzip: {
    type: "application/gzip",
    kind: "archive",
    matches: at(0, [0x1f, 0x8b, 8]), // RFC 1952 2.3.1
    aliases: ["application/x-gzip"],
    refinedBy: /^application\/(?:vnd\.|x-)|\+gzip$|^image\/svg\+xml$/,
  },
  "7z": {
    type: "application/x-7z-compressed",
    kind: "archive",
    matches: at(0, [0x37, 0x7a, 0xbc, 0xaf, 0x27, 0x1c]), // 7-Zip, 7zFormat.txt
  },
  rar: {
    type: "application/vnd.rar",
    kind: "archive",
    matches: at(0, "Rar!\x1a\x07"), // RARLAB, RAR 5.0 archive format
    aliases: ["application/x-rar-compressed", "application/x-rar"],
  },
  svg: {
    type: "image/svg+xml",
    kind: "image",
    matches: (head) => markupIn(head)?.root === "svg", // SVG 1.1, 5.1
    aliases: ["image/svg", "application/xml", "text/xml", "text/plain"],
    isSometimesUnmarked: true, // a prolog may be longer than the head
    readSize: readSvgSize,
    decoding: svgDecoding,
  },
  html: {
    type: "text/html",
    kind: "text",
    matches: isHtml,
    aliases: ["application/xhtml+xml", "application/xml", "text/xml", "text/plain"],
    isSometimesUnmarked: true,
  },
  xml: {
    type: "application/xml",
    kind: "text",
    matches: (head) => markupIn(head)?.hasDeclaration === true, // XML 1.0, 2.8
    aliases: ["text/plain"],
    refinedBy: /^(?:text|application)\/xml|\+xml$/,
    isSometimesUnmarked: true,
  },
  json: {
    type: "application/json",
    kind: "text",
    matches: isJson,
    aliases: ["text/plain"],
    refinedBy: /\bjson$|^application\/(?:manifest|schema)/,
    isSometimesUnmarked: true,
  },
  text: {
    type: "text/plain",
    kind: "text",
    matches: (head) => textIn(head) !== null, // https://mimesniff.spec.whatwg.org/#rules-for-text-or-binary
    refinedBy: /^(?:text|application|message|model)\//,
    isSometimesUnmarked: true, // other encodings than UTF-8
  },
} as const satisfies Record<string, Row>;

export type FormatName = keyof typeof table;

/** The formats with more metadata than the type. */
export type MeasuredName = {
  [Name in FormatName]: (typeof table)[Name] extends { readSize: unknown } | { decoding: unknown } ? Name : never;
}[FormatName];

/** In the order in which they are tried. */
export const formats: readonly Format[] = Object.entries(table).map(([name, row]: [string, Row]) => ({
  aliases: [],
  isSometimesUnmarked: false,
  ...row,
  name: name as FormatName,
  refinedBy: row.refinedBy ?? null,
  readSize: row.readSize ?? null,
  decoding: row.decoding ?? null,
}));

type DecodingRow = Extract<(typeof table)[FormatName], { decoding: Decoding }>;

/** The names that `MEDIA_ORACLE_FORMATS` may have. */
export type DecodableName = DecodingRow["decoding"]["setting"];

export const decodableFormats: readonly DecodableName[] = [
  ...new Set(formats.flatMap(({ decoding }) => (decoding ? [decoding.setting as DecodableName] : []))),
];

function readJxlSize(head: Uint8Array): Size | null {
  const file = readJxl(head);
  return file && { width: file.width, height: file.height };
}

/** A RIFF file of this form: four letters after the length (Microsoft, Multimedia Programming Interface 1.0). */
function riff(form: string): Test {
  return all(at(0, "RIFF"), at(8, form));
}

/** W3C PNG 3, 11.3.6.1: the animation control stands before the first image data. */
function isAnimatedPng(head: Uint8Array): boolean {
  if (!isPng(head)) return false;
  for (const { type } of pngChunks(head, 8, createWorkBudget())) {
    if (type === "acTL") return true;
    if (type === "IDAT" || type === "IEND") return false;
  }
  return false;
}

/** One of the brands is the major one, or among the compatible ones of a file whose major brand names no codec. */
function stillBrand(...wanted: readonly string[]): Test {
  return (head) => {
    const [major = "", ...compatible] = brandsIn(head);
    if (wanted.includes(major)) return true;
    return ["mif1", "mif2", "msf1", "miaf"].includes(major) && compatible.some((brand) => wanted.includes(brand));
  };
}

function isMp4Audio(head: Uint8Array): boolean {
  const [major] = brandsIn(head);
  if (major === undefined || major === "qt  ") return false;
  if (["M4A ", "M4B ", "M4P "].includes(major)) return true;
  const { hasVideo, hasAudio } = tracksIn(head);
  return hasAudio === true && hasVideo === false;
}

function isMatroska(head: Uint8Array, docType: string, tracks: "audio" | "any"): boolean {
  const file = matroskaIn(head);
  if (file?.docType !== docType) return false;
  return tracks === "any" || (file.hasAudio && !file.hasVideo);
}

/** Two letters may begin any text, so the header behind them must be one too (Microsoft, BITMAPFILEHEADER). */
function isBmp(head: Uint8Array): boolean {
  const headerBytes = readUint32LE(head, 14);
  return hasAt(head, 0, "BM") && [12, 16, 40, 52, 56, 64, 108, 124].includes(headerBytes);
}

// https://mimesniff.spec.whatwg.org/#identifying-a-resource-with-an-unknown-mime-type
const htmlElements = "html head script iframe h1 div font table a style title b body br p".split(" ");

function isHtml(head: Uint8Array): boolean {
  const markup = markupIn(head);
  if (!markup) return false;
  return markup.doctype === "html" || (markup.root !== null && htmlElements.includes(markup.root));
}

/** An object with a first key, or a list of objects (RFC 8259), but not a log line in brackets. */
function isJson(head: Uint8Array): boolean {
  const text = textIn(head)?.trimStart();
  return text !== undefined && /^(?:\{\s*\}\s*$|\[\s*\]\s*$|(?:\[\s*)?\{\s*"(?:[^"\\]|\\.){0,200}"\s*:)/.test(text);
}
