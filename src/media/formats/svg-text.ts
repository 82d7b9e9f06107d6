import { gunzipSync } from "node:zlib";
import { asBuffer, hasAt } from "./bytes.ts";
import { utf16Encoding } from "./text.ts";

// libvips takes bytes for an SVG if they begin with so many ASCII characters (4 if gzipped), and have `<svg` soon
// (vips_foreign_load_svg_is_a).
const asciiBytes = 24;
const searchedBytes = 1000;
// It finds `<svg` here. A comment may precede a document type (XML 1.0, 2.8), but not an XML declaration.
const mark = "<!-- <svg as libvips expects it -->";
// Longer drawings are left as they are; decoded, they would take twice as much memory. Inflated bytes count.
const maxBytes = 16 * 1024 ** 2;

/**
 * Rewrites an SVG that libvips does not take for one, or librsvg does not read: in UTF-16 or an 8-bit encoding, behind a byte order
 * mark or a long comment, with a prefix for its namespace. The result is in UTF-8. Other drawings are returned unchanged.
 */
export function prepareSvg(body: Uint8Array): Uint8Array {
  const plain = inflate(body);
  if (!plain || plain.length > maxBytes || isAsExpected(plain)) return body;
  const text = decode(plain);
  if (text === null) return body;
  return Buffer.from(mark + text.replace(/^\s*<\?xml\s[^>]*\?>/, ""));
}

/** Null if it is gzipped and broken or too long. */
function inflate(body: Uint8Array): Uint8Array | null {
  if (!hasAt(body, 0, [0x1f, 0x8b, 8])) return body;
  try {
    return gunzipSync(body, { maxOutputLength: maxBytes });
  } catch {
    return null;
  }
}

function isAsExpected(body: Uint8Array): boolean {
  const head = asBuffer(body.subarray(0, searchedBytes)).toString("latin1");
  // eslint-disable-next-line no-control-regex -- ASCII
  const isAscii = /^[\x01-\x7f]*$/.test(head.slice(0, asciiBytes));
  return isAscii && /<svg/i.test(head) && /^(?:utf-?8|us-ascii)?$/i.test(encodingIn(head)) && isUtf8(body);
}

/** The encoding of the XML declaration; empty without one (XML 1.0, 4.3.3). */
function encodingIn(head: string): string {
  return /^\s*<\?xml\s[^>]{0,200}?\bencoding\s*=\s*["']([\w.:-]+)["']/.exec(head.replace(/^ï»¿/, ""))?.[1] ?? "";
}

/** Decodes by the byte order mark, by the zeros of UTF-16, by the declaration, or else as UTF-8 or windows-1252. */
function decode(body: Uint8Array): string | null {
  const wide = utf16Encoding(body);
  if (wide) return new TextDecoder(wide).decode(body);
  // These bytes are not UTF-16: some programs declare it after they have converted the text.
  const declared = encodingIn(asBuffer(body.subarray(0, searchedBytes)).toString("latin1")).replace(
    /^(?:utf|ucs).*/i,
    "",
  );
  try {
    const isDeclared = !isUtf8(body) || /^iso-2022/i.test(declared);
    const decoder = new TextDecoder(isDeclared ? declared || "windows-1252" : "utf-8");
    // In one call, Node 20 decodes windows-1252 as Latin-1.
    return decoder.decode(body, { stream: true }) + decoder.decode();
  } catch {
    return null; // an encoding that does not exist
  }
}

function isUtf8(body: Uint8Array): boolean {
  try {
    new TextDecoder("utf-8", { fatal: true }).decode(body);
    return true;
  } catch {
    return false;
  }
}
