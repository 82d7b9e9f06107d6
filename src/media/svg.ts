import { constants, gunzipSync } from "node:zlib";
import { hasAt } from "./bytes.ts";
import type { Size } from "./pixels.ts";
import { readMarkup } from "./text.ts";

// CSS Values 4, 6.2: an inch is 96 pixels.
const unitPixels: Readonly<Record<string, number>> = {
  "": 1,
  px: 1,
  in: 96,
  cm: 96 / 2.54,
  mm: 96 / 25.4,
  q: 96 / 101.6,
  pt: 96 / 72,
  pc: 16,
};

const headBytes = 64 * 1024;
// Deflate makes at most a thousand times as much: 4 MB, of which only the beginning is looked at.
const gzippedHeadBytes = 4096;

/** The beginning of the text of an SVG that is gzipped (SVG 1.1, appendix I); null where it is no gzip. */
export function gunzippedHead(head: Uint8Array): Uint8Array | null {
  if (!hasAt(head, 0, [0x1f, 0x8b, 8])) return null;
  try {
    const options = { finishFlush: constants.Z_SYNC_FLUSH }; // an end that is missing is no fault
    return gunzipSync(head.subarray(0, gzippedHeadBytes), options).subarray(0, headBytes);
  } catch {
    return null;
  }
}

/**
 * The size in CSS pixels (SVG 2, 8.2): `width` and `height`, or else those of the `viewBox`, which gives one of them its
 * proportion too. Null where neither is there.
 */
export function readSvgSize(body: Uint8Array): Size | null {
  const element = readMarkup(gunzippedHead(body) ?? body.subarray(0, headBytes))?.element;
  if (element === undefined) return null;
  const attributes = readAttributes(element);
  const [width, height] = [attributes.get("width"), attributes.get("height")].map(readLength);
  const box = readViewBox(attributes.get("viewBox"));
  const proportion = box ? box.width / box.height : null;
  if (width && height) return rounded(width, height);
  if (width && proportion) return rounded(width, width / proportion);
  if (height && proportion) return rounded(height * proportion, height);
  return box && rounded(box.width, box.height);
}

function readAttributes(element: string): Map<string, string> {
  const attributes = new Map<string, string>();
  const attribute = /\s+([\w:.-]+)\s*=\s*(?:"([^"]*)"|'([^']*)')/y;
  attribute.lastIndex = /^<[\w:.-]+/.exec(element)?.[0].length ?? 0;
  for (let found = attribute.exec(element); found; found = attribute.exec(element)) {
    const [, name = "", quoted, otherwiseQuoted] = found;
    attributes.set(name, (quoted ?? otherwiseQuoted ?? "").trim());
  }
  return attributes;
}

/** Null for a share of what is around, and for units that depend on a font. */
function readLength(text: string | undefined): number | null {
  const [, number, unit = ""] = /^\+?(\d*\.?\d+(?:e[+-]?\d+)?)([a-z]*)$/i.exec(text?.slice(0, 64) ?? "") ?? [];
  const pixels = Number(number) * (unitPixels[unit.toLowerCase()] ?? NaN);
  return pixels > 0 && pixels < 2 ** 31 ? pixels : null;
}

function readViewBox(text: string | undefined): Size | null {
  const [, , width, height, more] = (text?.slice(0, 256) ?? "").split(/[\s,]+/).map(Number);
  return width && height && width > 0 && height > 0 && more === undefined ? { width, height } : null;
}

function rounded(width: number, height: number): Size | null {
  const size = { width: Math.max(1, Math.round(width)), height: Math.max(1, Math.round(height)) };
  return Math.max(size.width, size.height) < 2 ** 31 ? size : null;
}
