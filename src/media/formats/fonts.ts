import { all, any, at, hasAt, readUint16, readUint32 } from "./bytes.ts";
import type { Row } from "./format.ts";

const trueType = [0, 1, 0, 0];
const maxTables = 255;

/** ISO/IEC 14496-22 4.4: a version, the number of tables, then tables, each with a name of four printable characters. */
const sfnt = (version: string | readonly number[]) => (head: Uint8Array) => {
  const tables = readUint16(head, 4);
  if (!hasAt(head, 0, version) || tables === 0 || tables > maxTables || head.length < 16) return false;
  return head.subarray(12, 16).every((byte) => byte >= 0x20 && byte <= 0x7e);
};

/** W3C WOFF 1.0 and 2.0, 4: the signature, the version of the font in it, at 12 the number of tables, at 14 zero. */
const webFont = (signature: string) =>
  all(
    at(0, signature),
    any(at(4, trueType), at(4, "OTTO"), at(4, "true"), at(4, "ttcf")),
    (head) => readUint16(head, 12) > 0,
    at(14, [0, 0]),
  );

export const woff2 = {
  type: "font/woff2",
  kind: "data",
  matches: webFont("wOF2"),
  aliases: ["application/font-woff2", "application/x-font-woff2"],
} as const satisfies Row;

export const woff = {
  type: "font/woff",
  kind: "data",
  matches: webFont("wOFF"),
  aliases: ["application/font-woff", "application/x-font-woff"],
} as const satisfies Row;

export const otf = {
  type: "font/otf",
  kind: "data",
  matches: sfnt("OTTO"),
  aliases: ["font/sfnt", "application/font-sfnt", "application/x-font-otf", "application/vnd.ms-opentype"],
} as const satisfies Row;

export const ttf = {
  type: "font/ttf",
  kind: "data",
  matches: any(sfnt(trueType), sfnt("true")), // `true`: Apple's
  aliases: ["font/sfnt", "application/font-sfnt", "application/x-font-ttf", "application/x-font-truetype"],
} as const satisfies Row;

export const ttc = {
  type: "font/collection",
  kind: "data",
  // ISO/IEC 14496-22 4.6.3: version 1 or 2, and the number of fonts
  matches: all(at(0, "ttcf"), any(at(4, trueType), at(4, [0, 2, 0, 0])), (head) => readUint32(head, 8) > 0),
  aliases: ["application/x-font-ttf"],
} as const satisfies Row;

export const eot = {
  type: "application/vnd.ms-fontobject",
  kind: "data",
  // W3C, Embedded OpenType, 4.1 to 4.3: the version, and the magic number
  matches: all(any(at(8, [0, 0, 1, 0]), at(8, [1, 0, 2, 0]), at(8, [2, 0, 2, 0])), at(34, "LP")),
} as const satisfies Row;
