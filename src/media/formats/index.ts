import type { Size } from "../raster.ts";
import { aac } from "./aac.ts";
import { ac3, eac3 } from "./ac3.ts";
import { aiff } from "./aiff.ts";
import { amr } from "./amr.ts";
import { compoundFile, gzip, rar, sevenZip, zip } from "./archives.ts";
import { asf, asfAudio, asfVideo } from "./asf.ts";
import { au } from "./au.ts";
import { avi } from "./avi.ts";
import { sqlite, wasm } from "./binary-data.ts";
import type { Test } from "./bytes.ts";
import { bmp } from "./bmp.ts";
import { caf } from "./caf.ts";
import { flac } from "./flac.ts";
import { flv } from "./flv.ts";
import { eot, otf, ttc, ttf, woff, woff2 } from "./fonts.ts";
import type { Decoding, ReaderDecoding, Row, TypeRow, VipsDecoding } from "./format.ts";
import { gif } from "./gif.ts";
import { avif, heic, heif } from "./heif.ts";
import { ico } from "./ico.ts";
import { skipTags } from "./id3.ts";
import { jpeg } from "./jpeg.ts";
import { j2c, jp2 } from "./jpeg2000.ts";
import { jxl } from "./jxl.ts";
import { tgs } from "./lottie.ts";
import { matroska, matroskaAudio, webm, webmAudio } from "./matroska.ts";
import { ape } from "./monkeys-audio.ts";
import { isobmff, m4a, mp4, threeGpp, threeGppAudio } from "./mp4.ts";
import { mp3 } from "./mp3.ts";
import { mpeg1Ps, mpegPs, mpegVideo } from "./mpeg-ps.ts";
import { mpegTs } from "./mpeg-ts.ts";
import { musepack } from "./musepack.ts";
import { ogg, oggAudio, oggVideo } from "./ogg.ts";
import { packages } from "./packages.ts";
import { pdf } from "./pdf.ts";
import type { ReadPlan } from "./plan.ts";
import { apng, png } from "./png.ts";
import { psd } from "./psd.ts";
import { qoi } from "./qoi.ts";
import { mov } from "./quicktime.ts";
import { noFacts, noPreview } from "./received.ts";
import { svg, svgz } from "./svg.ts";
import { html, json, text, xml } from "./text.ts";
import { tiff } from "./tiff.ts";
import { tta } from "./tta.ts";
import { icalendar, vcard } from "./vcard.ts";
import { wav } from "./wav.ts";
import { wavpack } from "./wavpack.ts";
import { webp } from "./webp.ts";

export type { Cost, Kind, Opened } from "./format.ts";

/** All formats, in the order in which they are tried: the first match wins. The key is the name, used in metrics. */
const table = {
  jpeg,
  apng,
  png,
  gif,
  webp,
  avif,
  heic,
  heif,
  jxl,
  jp2,
  j2c,
  tiff,
  bmp,
  ico,
  psd,
  qoi,
  pdf,
  "3gp-audio": threeGppAudio,
  m4a,
  mov,
  "3gp": threeGpp,
  mp4,
  isobmff,
  avi,
  flv,
  "asf-video": asfVideo,
  "asf-audio": asfAudio,
  asf,
  "mpeg-ts": mpegTs,
  "mpeg-ps": mpegPs,
  "mpeg1-ps": mpeg1Ps,
  "mpeg-video": mpegVideo,
  "webm-audio": webmAudio,
  webm,
  "matroska-audio": matroskaAudio,
  matroska,
  "ogg-video": oggVideo,
  "ogg-audio": oggAudio,
  ogg,
  flac,
  wav,
  aiff,
  amr,
  caf,
  au,
  wavpack,
  ape,
  musepack,
  tta,
  ac3,
  eac3,
  aac,
  mp3,
  ...packages,
  zip,
  cfb: compoundFile,
  svgz,
  tgs,
  gzip,
  "7z": sevenZip,
  rar,
  woff2,
  woff,
  otf,
  ttf,
  ttc,
  eot,
  wasm,
  sqlite,
  vcard,
  icalendar,
  svg,
  html,
  xml,
  json,
  text,
} as const satisfies Record<string, Row>;

export type FormatName = keyof typeof table;

/** The formats with more metadata than the type. */
export type MeasuredName = {
  [Name in FormatName]: (typeof table)[Name] extends { plan: ReadPlan } ? Name : never;
}[FormatName];

type RowDecoding = Extract<(typeof table)[FormatName], { decoding: Decoding }>["decoding"];

/** The names that `MEDIA_ORACLE_FORMATS` may have. */
export type DecodableName = RowDecoding["setting"];

/** Those that libvips decodes. */
export type VipsName = Extract<RowDecoding, VipsDecoding>["setting"];

/** The readers of the workers. */
export type ReaderName = Extract<RowDecoding, ReaderDecoding>["reader"];

/** The decoder of a format in the table. */
export type FormatDecoding =
  | (VipsDecoding & { readonly setting: VipsName })
  | (ReaderDecoding & { readonly setting: DecodableName; readonly reader: ReaderName });

/** A format. Its name is its key in the table. */
export interface Format extends Required<
  Omit<TypeRow, "refinedBy" | "isSometimesUnmarked" | "readsTags" | "matchesBehindJunk" | "isUndecided">
> {
  readonly matchesBehindJunk: Test | null;
  readonly isUndecided: Test | null;
  readonly name: FormatName;
  readonly refinedBy: RegExp | null;
  readonly isSometimesUnmarked: boolean;
  readonly readsTags: boolean;
  readonly readSize: ((body: Uint8Array) => Size | null) | null;
  readonly plan: ReadPlan;
  readonly decoding: FormatDecoding | null;
}

/** Of a format without metadata besides its type. */
const noPlan: ReadPlan = { facts: () => noFacts(), preview: () => noPreview() };

function planOf({ plan, readsTags }: Row): ReadPlan {
  if (!plan) return noPlan;
  return readsTags ? plan : skipTags(plan);
}

/** In the order in which they are tried. */
export const formats: readonly Format[] = Object.entries(table).map(([name, row]: [string, Row]) => ({
  aliases: [],
  isSometimesUnmarked: false,
  readsTags: false,
  ...row,
  name: name as FormatName,
  matchesBehindJunk: row.matchesBehindJunk ?? null,
  isUndecided: row.isUndecided ?? null,
  refinedBy: row.refinedBy ?? null,
  readSize: row.readSize ?? null,
  plan: planOf(row),
  decoding: (row.decoding as FormatDecoding | undefined) ?? null,
}));

export const decodableFormats: readonly DecodableName[] = [
  ...new Set(formats.flatMap(({ decoding }) => decoding?.setting ?? [])),
];
