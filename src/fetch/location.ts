import { OracleError } from "../domain/errors.ts";
import type { ResponseHead } from "./exchange.ts";
import { optionalWhiteSpace, trimCharacters } from "./trim.ts";

// Without 300, which leaves the choice to the reader, and 304: an unrequested one is an error status.
const redirectStatuses = new Set([301, 302, 303, 307, 308]);

/**
 * Returns the text of `Location`, or null if this is no redirect or has none. Equal lines are one, as in browsers.
 *
 * @throws OracleError `source_protocol` for different lines: another program may follow the other one
 */
export function locationOf({ status, headers }: ResponseHead): string | null {
  if (!redirectStatuses.has(status)) return null;
  const lines = [headers.location ?? []].flat().map((line) => trimCharacters(line, optionalWhiteSpace));
  const [location = null, ...others] = new Set(lines);
  if (others.length > 0) throw new OracleError("source_protocol", "not HTTP: two locations");
  return location;
}

/**
 * Returns an absolute URL. A location with a host keeps its spelling, so that the strict parser sees it.
 *
 * @param location bytes read as Latin-1
 * @throws if it cannot be a URL
 */
export function absoluteLocation(location: string, base: URL): string {
  const [, scheme = "", authority, path = ""] = /^([a-z][a-z0-9+.-]*:)?\/\/([^/?#]*)(.*)$/is.exec(location) ?? [];
  if (authority !== undefined) return `${scheme || base.protocol}//${decodeHost(authority)}${encodePath(path)}`;
  if (/^[a-z][a-z0-9+.-]*:/i.test(location)) return location;
  // The WHATWG parser reads a host in `/\host` and `/<tab>/host`: reject the characters that the strict parser rejects.
  const reference = encodePath(location);
  if (/[\\\p{Cc}]/u.test(reference)) throw new Error("a character that URLs cannot have");
  return new URL(reference, base).href;
}

/** Encodes spaces, and each byte that is not ASCII: this preserves the path in any charset. */
function encodePath(text: string): string {
  return text.replace(/[ \x80-\xff]/g, (byte) => `%${byte.charCodeAt(0).toString(16).toUpperCase()}`);
}

/**
 * Decodes the UTF-8 of an international name, raw or percent-encoded. Not percent-encoded ASCII, which only hides a name
 * or an address: the strict parser rejects it.
 *
 * @throws if it is not UTF-8
 */
function decodeHost(authority: string): string {
  const bytes = authority.replace(/%([89a-f][0-9a-f])/gi, (_, hex: string) => String.fromCharCode(parseInt(hex, 16)));
  // With `ignoreBOM` U+FEFF remains, which the strict parser rejects.
  return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(Buffer.from(bytes, "latin1"));
}
