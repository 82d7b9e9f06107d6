import { cleanFilename } from "../domain/filename.ts";
import { parseFilename } from "./content-disposition.ts";
import { ownText } from "./own-text.ts";
import { optionalWhiteSpace, trimCharacters } from "./trim.ts";

/** Headers as received: Latin-1 text, an array if a header is repeated. */
export type Headers = Readonly<Record<string, string | string[] | undefined>>;

const token = /^[!#$%&'*+.^_`|~0-9a-z-]+$/i; // RFC 9110 5.6.2

/** Returns the value of a header that occurs exactly once, else null: repeated headers are not trusted. */
export function singleHeader(headers: Headers, name: string): string | null {
  const value = headers[name];
  return typeof value === "string" ? trimCharacters(value, optionalWhiteSpace) : null;
}

/** Returns `Content-Length` in bytes, or null if it is not a plain number (RFC 9110 8.6). */
export function declaredBytesOf(headers: Headers): number | null {
  const value = singleHeader(headers, "content-length");
  const bytes = value !== null && /^\d+$/.test(value) ? Number(value) : NaN;
  return Number.isSafeInteger(bytes) ? bytes : null;
}

/** Returns `type/subtype` of `Content-Type`, in lower case, without parameters (RFC 9110 8.3.1, RFC 6838 4.2). */
export function declaredTypeOf(headers: Headers): string | null {
  const value = singleHeader(headers, "content-type")?.split(";", 1)[0]?.trim().toLowerCase() ?? "";
  const parts = value.split("/");
  return parts.length === 2 && parts.every((part) => part.length <= 127 && token.test(part)) ? ownText(value) : null;
}

/** The content codings that exist (RFC 9110 8.4.1, RFC 7932, 8878, 9842), and their aliases. */
const codings: Readonly<Record<string, string>> = {
  gzip: "gzip",
  "x-gzip": "gzip",
  deflate: "deflate",
  compress: "compress",
  "x-compress": "compress",
  br: "br",
  zstd: "zstd",
  dcb: "dcb",
  dcz: "dcz",
};

/**
 * Returns the content codings of a body, in the order in which they were applied.
 *
 * Other words are ignored, as browsers do: servers send charsets, media types, `none`, or `aws-chunked`, which S3 keeps
 * from an upload.
 */
export function contentCodingsOf(headers: Headers): string[] {
  return listOf(headers, "content-encoding").flatMap((word) =>
    Object.hasOwn(codings, word) ? (codings[word] ?? []) : [],
  );
}

/** Checks for a transfer coding other than chunked. */
export function hasTransferCoding(headers: Headers): boolean {
  return listOf(headers, "transfer-encoding").some((coding) => coding !== "chunked");
}

/** Checks for a content or transfer coding, despite `Accept-Encoding: identity`. */
export function isCoded(headers: Headers): boolean {
  return contentCodingsOf(headers).length > 0 || hasTransferCoding(headers);
}

/** The beginning of a file that a 206 response has. */
export interface LeadingRange {
  /** Length of the file; null if the server does not know it. */
  readonly total: number | null;
  /** Whether it is the whole file. */
  readonly isWhole: boolean;
}

/** Returns the range in `Content-Range` (RFC 9110 14.4) if it begins with the first byte, else null. */
export function leadingRangeOf(headers: Headers): LeadingRange | null {
  const [, last, total] =
    /^bytes +0-(\d{1,15})\/(\d{1,15}|\*)$/i.exec(singleHeader(headers, "content-range") ?? "") ?? [];
  if (last === undefined || total === undefined) return null;
  if (total === "*") return { total: null, isWhole: false };
  return Number(last) < Number(total) ? { total: Number(total), isWhole: Number(last) + 1 === Number(total) } : null;
}

/** Returns the elements of a list header (RFC 9110 5.6.1) in lower case, without empty ones. */
function listOf(headers: Headers, name: string): string[] {
  const elements = [headers[name] ?? []].flat().join(",").toLowerCase().split(",");
  return elements.map((element) => element.trim()).filter((element) => element !== "");
}

/** Returns the cleaned filename in `Content-Disposition`; null if it has none. */
export function filenameOf(headers: Headers): string | null {
  const value = singleHeader(headers, "content-disposition");
  const name = value === null ? null : cleanFilename(parseFilename(value) ?? "");
  return name && ownText(name);
}
