import { cleanFilename } from "../domain/filename.ts";

/** Headers as received: Latin-1 text, an array if a header is repeated. */
export type Headers = Readonly<Record<string, string | string[] | undefined>>;

const token = /^[!#$%&'*+.^_`|~0-9a-z-]+$/i; // RFC 9110 5.6.2

/** Returns the value of a header that occurs exactly once, else null: repeated headers are not trusted. */
export function singleHeader(headers: Headers, name: string): string | null {
  const value = headers[name];
  return typeof value === "string" ? value.trim() : null;
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
  return parts.length === 2 && parts.every((part) => part.length <= 127 && token.test(part)) ? value : null;
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

/**
 * Returns the cleaned filename in `Content-Disposition` (RFC 6266); `filename*` (RFC 8187) first.
 *
 * Null if there is none, or if the header is malformed.
 */
export function filenameOf(headers: Headers): string | null {
  const value = singleHeader(headers, "content-disposition");
  if (value === null) return null;
  const parameters = new Map<string, string>();
  // One parameter at a time; the first malformed one ends the list.
  const parameter = /\s*;\s*([!#$%&'+.^_`|~0-9a-z-]+\*?)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s;"]*))\s*(?=;|$)/giy;
  parameter.lastIndex = /^[^;]*/.exec(value)?.[0].length ?? 0;
  for (let found = parameter.exec(value); found; found = parameter.exec(value)) {
    const [, name = "", quoted, plain = ""] = found;
    const key = name.toLowerCase();
    if (!parameters.has(key)) parameters.set(key, quoted?.replace(/\\(.)/g, "$1") ?? plain);
  }
  const extended = decodeExtended(parameters.get("filename*") ?? "");
  const plain = parameters.get("filename");
  return cleanFilename(extended ?? (plain === undefined ? "" : decodeBytes(plain)));
}

/** Decodes `UTF-8'en'caf%C3%A9.jpg`; null if malformed. */
function decodeExtended(value: string): string | null {
  const [, charset = "", encoded = ""] = /^([^']*)'[^']*'(.*)$/s.exec(value) ?? [];
  const bytes = encoded.replace(/%([0-9a-f]{2})/gi, (_, hex: string) => String.fromCharCode(parseInt(hex, 16)));
  if (/^utf-8$/i.test(charset)) return decodeUtf8(bytes);
  return /^iso-8859-1$/i.test(charset) ? bytes : null;
}

/** Decodes bytes without a declared charset: UTF-8, as most servers send today, or Latin-1 if that is invalid. */
function decodeBytes(latin1: string): string {
  return decodeUtf8(latin1) ?? latin1;
}

function decodeUtf8(latin1: string): string | null {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(Buffer.from(latin1, "latin1"));
  } catch {
    return null;
  }
}
