import { all, any, at } from "./bytes.ts";
import type { Row } from "./format.ts";

export const zip = {
  type: "application/zip",
  kind: "archive",
  matches: any(at(0, "PK\x03\x04"), at(0, "PK\x05\x06"), at(0, "PK\x07\x08")), // PKWARE APPNOTE 4.3.6, 4.3.16, 8.5.4
  aliases: ["application/x-zip-compressed", "application/x-zip", "multipart/x-zip"],
  refinedBy: /^application\/(?:vnd\.|x-|epub\+zip$|java-archive$|msword$)|\+zip$|^model\/3mf$/, // most office files
} as const satisfies Row;

export const gzip = {
  type: "application/gzip",
  kind: "archive",
  matches: at(0, [0x1f, 0x8b, 8]), // RFC 1952 2.3.1
  aliases: ["application/x-gzip"],
  refinedBy: /^application\/(?:vnd\.|x-)|\+gzip$|^image\/svg\+xml$/,
} as const satisfies Row;

export const sevenZip = {
  type: "application/x-7z-compressed",
  kind: "archive",
  matches: at(0, [0x37, 0x7a, 0xbc, 0xaf, 0x27, 0x1c]), // 7-Zip, 7zFormat.txt
} as const satisfies Row;

export const rar = {
  type: "application/vnd.rar",
  kind: "archive",
  matches: at(0, "Rar!\x1a\x07"), // RARLAB, RAR 5.0 archive format
  aliases: ["application/x-rar-compressed", "application/x-rar"],
} as const satisfies Row;

/** The container of the older Office formats, of installers and of messages: their names are behind the head. */
export const compoundFile = {
  type: "application/x-cfb",
  kind: "archive",
  matches: all(at(0, [0xd0, 0xcf, 0x11, 0xe0, 0xa1, 0xb1, 0x1a, 0xe1]), at(28, [0xfe, 0xff])), // [MS-CFB] 2.2
  aliases: ["application/x-ole-storage"],
  refinedBy: /^application\/(?:vnd\.|x-|msword$|mspowerpoint$|msexcel$)/,
} as const satisfies Row;
