import { optionalWhiteSpace, trimCharacters } from "./trim.ts";

/**
 * Reads the file name in Content-Disposition as Chromium does (net/http/http_content_disposition.cc). Servers often violate
 * RFC 6266: unquoted spaces, no disposition type, missing quotes, `;;`, RFC 2047 words and percent-encoding in `filename`.
 *
 * Takes linear time: the header is untrusted. `filename*` (RFC 8187) takes precedence. If it is malformed, it is only used if
 * there is no other name; Chromium never uses it then.
 *
 * @param header bytes read as Latin-1
 * @returns the name as sent, neither cleaned nor shortened; null if there is none
 */
export function parseFilename(header: string): string | null {
  let plain: string | null = null;
  let extended: string | null = null;
  let malformed: string | null = null;
  for (const [name, value] of parametersOf(header)) {
    if (name === "filename") plain ??= nullIfEmpty(decodePlain(unquote(value)));
    if (name !== "filename*") continue;
    const decoded = nullIfEmpty(decodeExtended(unquote(value)));
    if (isExtendedValue(value)) extended ??= decoded;
    else malformed ??= decoded;
  }
  return extended ?? plain ?? malformed;
}

function nullIfEmpty(name: string | null): string | null {
  return name === "" ? null : name;
}

const token = /^[!#$%&'*+.^_`|~0-9a-z-]+$/i; // RFC 9110 5.6.2

const trim = (text: string) => trimCharacters(text, optionalWhiteSpace);

/** Returns names in lower case and values as written. The first malformed parameter ends the list. */
function* parametersOf(header: string): Generator<[name: string, value: string]> {
  for (const [index, part] of splitAtSemicolons(header).entries()) {
    const text = trim(part);
    // Some servers omit the disposition type, or the parameter after a semicolon.
    if (text === "" || (index === 0 && token.test(text))) continue;
    const equals = text.indexOf("=");
    const name = trim(text.slice(0, Math.max(0, equals))).toLowerCase();
    const value = trim(text.slice(equals + 1));
    if (name === "" || name.includes('"') || value === "") return;
    yield [name, value];
  }
}

/** Splits at semicolons outside of quotes. A quote without its counterpart continues to the end. */
function splitAtSemicolons(header: string): string[] {
  const parts: string[] = [];
  let start = 0;
  let isQuoted = false;
  for (let at = 0; at < header.length; at += 1) {
    const character = header[at];
    if (character === '"') isQuoted = !isQuoted;
    else if (character === "\\" && isQuoted) at += 1;
    else if (character === ";" && !isQuoted) {
      parts.push(header.slice(start, at));
      start = at + 1;
    }
  }
  return [...parts, header.slice(start)];
}

/** Removes the surrounding quotes, or an opening quote without its counterpart. Quotes inside are part of the name. */
function unquote(value: string): string {
  if (!value.startsWith('"')) return value;
  const isClosed = value.length > 1 && value.endsWith('"');
  return value.slice(1, isClosed ? -1 : undefined).replace(/\\(.?)/gs, "$1");
}

/** Decodes each word of a plain `filename`. Spaces next to an encoded word are not part of the name (RFC 2047 6.2). */
function decodePlain(value: string): string | null {
  let name = "";
  let isAfterEncoded = true;
  for (const piece of value.split(/([ \t])/)) {
    if (piece === "") continue;
    if (piece === " " || piece === "\t") {
      if (!isAfterEncoded) name += " ";
      continue;
    }
    isAfterEncoded = isEncodedWord(piece);
    const decoded = isAfterEncoded ? decodeEncodedWord(piece) : decodeWord(piece);
    if (decoded === null) return null;
    name += decoded;
  }
  return name;
}

/** Decodes percent-encoded ASCII, as browsers do although no RFC has it; or bytes without a declared charset. */
function decodeWord(word: string): string {
  return decodeUndeclared(/[\x80-\xff]/.test(word) ? word : percentDecoded(word));
}

/** Checks for `=?charset?B?base64?=` or `=?charset?Q?quoted-printable?=` (RFC 2047 2), also if it is incomplete. */
function isEncodedWord(word: string): boolean {
  const [start, , encoding = "q"] = word.split("?", 3);
  return word.startsWith("=?") && start === "=" && /^[bq]$/i.test(encoding);
}

function decodeEncodedWord(word: string): string | null {
  const [, charset = "", encoding = "", text = "", end, ...more] = word.split("?");
  if (end !== "=" || more.length > 0) return null;
  if (/^b$/i.test(encoding)) {
    const isBase64 = /^[a-z0-9+/]*={0,2}$/i.test(text);
    return isBase64 ? decodeBytes(Buffer.from(text, "base64").toString("latin1"), charset) : null;
  }
  if (/=(?![0-9a-f]{2})/i.test(text)) return null;
  const unescaped = text.replaceAll("_", " ").replace(/=([0-9a-f]{2})/gi, (_, hex: string) => byteOf(hex));
  return decodeBytes(unescaped, charset);
}

/** Checks for the form of RFC 8187 3.2: ASCII, not quoted, an apostrophe in the name is encoded. */
function isExtendedValue(value: string): boolean {
  return /^[^'"]+'[^'"]*'[^'"]*$/.test(value) && !/[\x80-\xff]/.test(value);
}

/** Decodes `UTF-8'en'caf%C3%A9.jpg`. */
function decodeExtended(value: string): string | null {
  const [charset = "", language, ...rest] = value.split("'");
  if (language === undefined || rest.length === 0) return null;
  return decodeBytes(percentDecoded(rest.join("'")), charset)?.normalize("NFC") ?? null;
}

function percentDecoded(text: string): string {
  return text.replace(/%([0-9a-f]{2})/gi, (_, hex: string) => byteOf(hex));
}

function byteOf(hex: string): string {
  return String.fromCharCode(parseInt(hex, 16));
}

/** Decodes bytes without a declared charset: UTF-8, as most servers send today, or Latin-1 if that is invalid. */
function decodeUndeclared(latin1: string): string {
  return decodeBytes(latin1, "utf-8") ?? latin1;
}

/** Decodes bytes of a charset with a name in the WHATWG Encoding Standard; null if it has none, or if they are invalid. */
function decodeBytes(latin1: string, charset: string): string | null {
  if (/^iso-8859-1$/i.test(charset)) return latin1; // for TextDecoder it is windows-1252
  try {
    const decoder = new TextDecoder(charset, { fatal: true });
    // In one call, Node 20 decodes windows-1252 as Latin-1.
    return decoder.decode(Buffer.from(latin1, "latin1"), { stream: true }) + decoder.decode();
  } catch {
    return null;
  }
}
