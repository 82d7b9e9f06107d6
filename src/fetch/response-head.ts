import { ownText } from "./own-text.ts";

/** How the end of a body is found (RFC 9112 6.3): chunks, a length in bytes, or the end of the connection. */
export type Framing = "chunked" | "close" | number;

export interface ResponseHead {
  /** 200 to 999: servers make up statuses beyond 599. */
  readonly status: number;
  /** Names in lower case; an array if a header is repeated; bytes read as Latin-1. */
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
}

/** A parsed head; of an interim response without headers. */
export interface ParsedHead extends ResponseHead {
  /** Null if the body has another transfer coding, and is not read. */
  readonly framing: Framing | null;
}

/** Why a head is refused; for the log. */
export interface Refusal {
  readonly refusal: string;
}

// curl accepts 5,000 lines, real origins send a few dozen.
const maxHeaderLines = 1000;

const maxLength = 2n ** 64n - 1n; // what Node's parser accepts

// Versions with the message format of RFC 9112. The reason phrase may be absent, its space too.
const statusLine = /^HTTP\/(?:0\.9|1\.\d|2\.0) +([1-9]\d\d)(?: .*)?$/s;
const token = /^[!#$%&'*+.^_`|~0-9a-z-]+$/i; // RFC 9110 5.6.2
const control = /(?![\t\x80-\x9f])\p{Cc}/u; // without the tab (RFC 9110 5.5) and the bytes of UTF-8
const everyControl = new RegExp(control, "gu");

// Of the connection, which has one response (RFC 9110 7.6.1), and those that `framing` replaces.
const dropped = new Set([
  "connection",
  "keep-alive",
  "proxy-connection",
  "upgrade",
  "trailer",
  "te",
  "content-length",
  "transfer-encoding",
]);

interface Field {
  /** In lower case. */
  readonly name: string;
  value: string;
}

/**
 * Parses a response head that may be less than strict, as browsers do.
 *
 * Lines may end in a bare LF (RFC 9112 2.2), and be folded (5.2). A header line without a colon, or with a name that is no
 * token, is dropped. Control characters in a value become spaces (RFC 9110 5.5). NUL is refused, as are statuses that
 * are not from 100 to 999 and lengths that contradict each other.
 *
 * @param text all lines; bytes read as Latin-1
 * @returns of an interim response only the status
 */
export function parseHead(text: string): ParsedHead | Refusal {
  if (text.includes("\0")) return { refusal: "NUL in a head" };
  const [first = "", ...lines] = text.split("\n").map((line) => (line.endsWith("\r") ? line.slice(0, -1) : line));
  const [, code] = statusLine.exec(first) ?? [];
  if (code === undefined) return { refusal: "no status line" };
  const status = Number(code);
  if (status < 200) return { status, framing: null, headers: {} };
  const fields = fieldsOf(lines);
  if (fields.length > maxHeaderLines) return { refusal: "too many header lines" };
  // Parsers disagree about URLs with control characters: no redirect follows one.
  if (fields.some(({ name, value }) => name === "location" && control.test(value))) {
    return { refusal: "a control character in Location" };
  }
  const framed = framingOf(fields);
  if ("refusal" in framed) return framed;
  const kept = fields.filter(({ name }) => !dropped.has(name));
  return { status, framing: framed.framing, headers: headersOf([...kept, ...framed.fields]) };
}

function headersOf(fields: readonly Field[]): ResponseHead["headers"] {
  // Without a prototype: a header may be named `__proto__` or `constructor`.
  const headers = Object.create(null) as Record<string, string | string[]>;
  for (const { name, value } of fields) {
    const known = headers[name];
    const own = ownText(cleanValue(value)); // of a head of up to 64 KiB
    if (known === undefined) headers[name] = own;
    else if (typeof known === "string") headers[name] = [known, own];
    else known.push(own);
  }
  return headers;
}

/** Returns the header lines with a colon and a valid name, folded lines (RFC 9112 5.2) joined with their first one. */
function fieldsOf(lines: readonly string[]): Field[] {
  const fields: Field[] = [];
  let last: Field | null = null; // null if the line before was dropped: then its folded lines are too
  for (const line of lines) {
    if (line.startsWith(" ") || line.startsWith("\t")) {
      if (last) last.value += ` ${trimBlanks(line)}`;
      continue;
    }
    last = fieldOf(line);
    if (last) fields.push(last);
  }
  return fields;
}

function fieldOf(line: string): Field | null {
  const colon = line.indexOf(":");
  if (colon === -1) return null;
  const name = trimBlanks(line.slice(0, colon)).toLowerCase();
  return token.test(name) ? { name, value: line.slice(colon + 1) } : null;
}

function cleanValue(value: string): string {
  return trimBlanks(value.replace(everyControl, " "));
}

/** Removes spaces and tabs at both ends. A regular expression would need quadratic time, `trim` removes more characters. */
function trimBlanks(text: string): string {
  const isBlank = (at: number) => text[at] === " " || text[at] === "\t";
  let [from, to] = [0, text.length];
  while (from < to && isBlank(from)) from += 1;
  while (to > from && isBlank(to - 1)) to -= 1;
  return text.slice(from, to);
}

/** Decides the framing: chunks override a length (RFC 9112 6.3, rule 3), and equal lengths are one (rule 5). */
function framingOf(
  fields: readonly Field[],
): { readonly framing: Framing | null; readonly fields: readonly Field[] } | Refusal {
  const codings = listOf(fields, "transfer-encoding")
    .map((coding) => coding.toLowerCase())
    .filter((coding) => coding !== "" && coding !== "identity");
  if (codings.some((coding) => coding !== "chunked")) {
    return { framing: null, fields: [{ name: "transfer-encoding", value: codings.join(", ") }] };
  }
  if (codings.length > 0) return { framing: "chunked", fields: [{ name: "transfer-encoding", value: "chunked" }] };
  const lengths = listOf(fields, "content-length");
  const [length] = lengths;
  if (length === undefined) return { framing: "close", fields: [] };
  if (!lengths.every((other) => /^\d{1,30}$/.test(other))) return { refusal: "a length that is no number" };
  const [value, ...others] = lengths.map(BigInt);
  if (value === undefined || value > maxLength) return { refusal: "a length beyond 64 bits" };
  if (others.some((other) => other !== value)) return { refusal: "lengths that differ" };
  // Beyond 2^53 inexact, but no such body is read to its end.
  return { framing: Number(value), fields: [{ name: "content-length", value: String(value) }] };
}

/** Returns the elements of a list header (RFC 9110 5.6.1), which may be repeated. */
function listOf(fields: readonly Field[], wanted: string): string[] {
  return fields
    .filter(({ name }) => name === wanted)
    .flatMap(({ value }) => cleanValue(value).split(",").map(trimBlanks));
}
