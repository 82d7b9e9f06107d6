import { cleanFilename } from "../domain/filename.ts";

/** Headers as they came: Latin-1 text, an array where one came more than once. */
export type Headers = Readonly<Record<string, string | string[] | undefined>>;

const token = /^[!#$%&'*+.^_`|~0-9a-z-]+$/i; // RFC 9110 5.6.2

/** The value of a header that came exactly once, else null: of two that differ, none is to be believed. */
export function singleHeader(headers: Headers, name: string): string | null {
  const value = headers[name];
  return typeof value === "string" ? value.trim() : null;
}

/** `Content-Length`, where it is a plain number (RFC 9110 8.6). */
export function declaredBytesOf(headers: Headers): number | null {
  const value = singleHeader(headers, "content-length");
  const bytes = value !== null && /^\d+$/.test(value) ? Number(value) : NaN;
  return Number.isSafeInteger(bytes) ? bytes : null;
}

/** `type/subtype` of `Content-Type`, in lower case, without parameters (RFC 9110 8.3.1, RFC 6838 4.2). */
export function declaredTypeOf(headers: Headers): string | null {
  const value = singleHeader(headers, "content-type")?.split(";", 1)[0]?.trim().toLowerCase() ?? "";
  const parts = value.split("/");
  return parts.length === 2 && parts.every((part) => part.length <= 127 && token.test(part)) ? value : null;
}

/** Whether the bytes that come are not those of the representation, although they were asked for. */
export function isCoded(headers: Headers): boolean {
  const codings = [headers["content-encoding"] ?? []].flat().join(",").split(",");
  if (codings.some((coding) => !["", "identity"].includes(coding.trim().toLowerCase()))) return true;
  const transfer = [headers["transfer-encoding"] ?? []].flat().join(",").trim().toLowerCase();
  return transfer !== "" && transfer !== "chunked";
}

/**
 * The name in `Content-Disposition` (RFC 6266), the extended one first (RFC 8187); cleaned by {@link cleanFilename}.
 *
 * Null where there is none, or where it does not have the form.
 */
export function filenameOf(headers: Headers): string | null {
  const value = singleHeader(headers, "content-disposition");
  if (value === null) return null;
  const parameters = new Map<string, string>();
  // One parameter after the other; whatever is no parameter ends the list.
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

/** `UTF-8'en'caf%C3%A9.jpg`; null where it is not of that form. */
function decodeExtended(value: string): string | null {
  const [, charset = "", encoded = ""] = /^([^']*)'[^']*'(.*)$/s.exec(value) ?? [];
  const bytes = encoded.replace(/%([0-9a-f]{2})/gi, (_, hex: string) => String.fromCharCode(parseInt(hex, 16)));
  if (/^utf-8$/i.test(charset)) return decodeUtf8(bytes);
  return /^iso-8859-1$/i.test(charset) ? bytes : null;
}

/** What servers send without saying so is UTF-8, nowadays; where it cannot be, Latin-1 as it once had to be. */
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
