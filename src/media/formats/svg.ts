import { type Size, createSize, maxSide } from "../raster.ts";
import { createWorkBudget, hasAt } from "./bytes.ts";
import type { Decoding, Row } from "./format.ts";
import { compressedBeginning, inflateBeginning } from "./inflate.ts";
import { markupIn, readMarkup } from "./text.ts";

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

let latest: { readonly gzipped: Uint8Array; readonly inflated: Uint8Array | null } | null = null;

/**
 * The beginning of the text of an SVG that is gzipped (SVG 1.1, appendix I); null if it is no gzip.
 *
 * Memoizes the latest result by content: sniffing and measuring the same head inflate it once.
 */
export function gunzippedHead(head: Uint8Array): Uint8Array | null {
  if (!hasAt(head, 0, [0x1f, 0x8b, 8])) return null;
  const gzipped = compressedBeginning(head);
  if (!latest || Buffer.compare(latest.gzipped, gzipped) !== 0) {
    latest = { gzipped: Uint8Array.from(gzipped), inflated: inflateBeginning(gzipped, "gzip") };
  }
  return latest.inflated;
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
  if (width && height) return createRoundedSize(width, height);
  if (width && proportion) return createRoundedSize(width, width / proportion);
  if (height && proportion) return createRoundedSize(height * proportion, height);
  return box && createRoundedSize(box.width, box.height);
}

function readAttributes(element: string): Map<string, string> {
  const attributes = new Map<string, string>();
  const attribute = /\s+([\w:.-]+)\s*=\s*(?:"([^"]*)"|'([^']*)')/y;
  attribute.lastIndex = /^<[\w:.-]+/.exec(element)?.[0].length ?? 0;
  const work = createWorkBudget();
  for (let found = attribute.exec(element); found && work.step(); found = attribute.exec(element)) {
    const [, name = "", quoted, otherwiseQuoted] = found;
    attributes.set(name, (quoted ?? otherwiseQuoted ?? "").trim());
  }
  return attributes;
}

/** Null for percentages, and for units that depend on a font. */
function readLength(text: string | undefined): number | null {
  const [, number, unit = ""] = /^\+?(\d*\.?\d+(?:e[+-]?\d+)?)([a-z]*)$/i.exec(text?.slice(0, 64) ?? "") ?? [];
  const pixels = Number(number) * (unitPixels[unit.toLowerCase()] ?? NaN);
  return pixels > 0 && pixels <= maxSide ? pixels : null;
}

/** In user units, which need not be whole. */
function readViewBox(text: string | undefined): { readonly width: number; readonly height: number } | null {
  const [, , width, height, more] = (text?.slice(0, 256) ?? "").split(/[\s,]+/).map(Number);
  return width && height && width > 0 && height > 0 && more === undefined ? { width, height } : null;
}

/** Less than half a pixel is one. */
function createRoundedSize(width: number, height: number): Size | null {
  return createSize(Math.max(1, Math.round(width)), Math.max(1, Math.round(height)));
}

const decoding = {
  setting: "svg",
  loader: "VipsForeignLoadSvg",
  bytesPerPixel: () => 1, // it is rendered at the small size; its cost is unpredictable
  nanosecondsPerPixel: () => 0,
  isUnpredictable: true, // a hundred bytes of nested `use` draw for minutes
  isAnimated: () => false,
} as const satisfies Decoding;

export const svgz = {
  type: "image/svg+xml",
  kind: "image",
  matches: (head) => readMarkup(gunzippedHead(head) ?? new Uint8Array())?.root === "svg", // SVG 1.1, appendix I
  aliases: ["image/svg", "application/gzip", "application/x-gzip"],
  readSize: readSvgSize,
  decoding,
} as const satisfies Row;

export const svg = {
  type: "image/svg+xml",
  kind: "image",
  matches: (head) => markupIn(head)?.root === "svg", // SVG 1.1, 5.1
  aliases: ["image/svg", "application/xml", "text/xml", "text/plain"],
  isSometimesUnmarked: true, // a prolog may be longer than the head
  readSize: readSvgSize,
  decoding,
} as const satisfies Row;
