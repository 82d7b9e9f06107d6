import { cleanFilename } from "../domain/filename.ts";
import { parseFilename } from "./content-disposition.ts";
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
  return parts.length === 2 && parts.every((part) => part.length <= 127 && token.test(part)) ? value : null;
}

/** Checks for a Content-Encoding or Transfer-Encoding other than chunked, despite `Accept-Encoding: identity`. */
export function isCoded(headers: Headers): boolean {
  const codings = [headers["content-encoding"] ?? []].flat().join(",").split(",");
  if (codings.some((coding) => !["", "identity"].includes(coding.trim().toLowerCase()))) return true;
  const transfer = [headers["transfer-encoding"] ?? []].flat().join(",").trim().toLowerCase();
  return transfer !== "" && transfer !== "chunked";
}

/** Returns the cleaned filename in `Content-Disposition`; null if it has none. */
export function filenameOf(headers: Headers): string | null {
  const value = singleHeader(headers, "content-disposition");
  return value === null ? null : cleanFilename(parseFilename(value) ?? "");
}
