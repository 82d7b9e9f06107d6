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

/** Checks for a Content-Encoding or Transfer-Encoding other than chunked, despite `Accept-Encoding: identity`. */
export function isCoded(headers: Headers): boolean {
  const codings = [headers["content-encoding"] ?? []].flat().join(",").split(",");
  if (codings.some((coding) => !["", "identity"].includes(coding.trim().toLowerCase()))) return true;
  const transfer = [headers["transfer-encoding"] ?? []].flat().join(",").trim().toLowerCase();
  return transfer !== "" && transfer !== "chunked";
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
