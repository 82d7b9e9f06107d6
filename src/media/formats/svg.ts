import { type Size, createSize, maxSide } from "../raster.ts";
import { createWorkBudget, hasAt } from "./bytes.ts";
import type { Decoding, Row } from "./format.ts";
import { prepareSvg } from "./svg-text.ts";
import { compressedBeginning, inflateBeginning } from "./inflate.ts";
import { markupIn, readMarkup } from "./text.ts";
import { createWholePlan } from "./whole-plan.ts";

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
  // In the initial font, which has 16 pixels in all browsers (CSS Values 4, 6.1); `ex` and `ch` are half of it without its metrics.
  em: 16,
  rem: 16,
  ex: 8,
  ch: 8,
};

// A licence as a comment before the root element is longer than that of any head, but not than this.
const headBytes = 256 * 1024;

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
 * The size in CSS pixels (SVG 2, 8.2): `width` and `height`, first those of the `style`, or else those of the `viewBox`, which gives
 * one of them its proportion too. Null where neither is there.
 */
export function readSvgSize(body: Uint8Array): Size | null {
  const element = readMarkup(gunzippedHead(body) ?? body.subarray(0, headBytes))?.element;
  if (element === undefined) return null;
  const attributes = readAttributes(element);
  const style = readStyle(attributes.get("style"));
  const [width, height] = ["width", "height"].map((name) => readLength(style.get(name) ?? attributes.get(name)));
  const box = readViewBox(attributes.get("viewBox"));
  const proportion = box ? box.width / box.height : null;
  if (width && height) return createRoundedSize(width, height);
  if (width && proportion) return createRoundedSize(width, width / proportion);
  if (height && proportion) return createRoundedSize(height * proportion, height);
  return box && createRoundedSize(box.width, box.height);
}

function readAttributes(element: string): Map<string, string> {
  const attributes = new Map<string, string>();
  const attribute = /\s+([^\s=/<>"']+)\s*=\s*(?:"([^"]*)"|'([^']*)')/y;
  attribute.lastIndex = /^<[^\s/>]+/.exec(element)?.[0].length ?? 0;
  const work = createWorkBudget();
  for (let found = attribute.exec(element); found && work.step(); found = attribute.exec(element)) {
    const [, name = "", quoted, otherwiseQuoted] = found;
    attributes.set(name, (quoted ?? otherwiseQuoted ?? "").trim());
  }
  return attributes;
}

/** The declarations of a `style` attribute (CSS Style Attributes, 3), of names and values without priority. */
function readStyle(text: string | undefined): Map<string, string> {
  const declarations = (text?.slice(0, 4096) ?? "").split(";").map((declaration) => {
    const [name = "", value = ""] = declaration.split(":");
    return [name.trim().toLowerCase(), value.replace(/!\s*important\s*$/i, "").trim()] as const;
  });
  return new Map(declarations);
}

/** Null for percentages, and for units of a window. */
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
  density: 96, // dots an inch, as in CSS
  strip: prepareSvg,
  bytesPerPixel: () => 1, // it is rendered at the small size; its cost is unpredictable
  nanosecondsPerPixel: () => 0,
  isUnpredictable: true, // a hundred bytes of nested `use` draw for minutes
  isAnimated: () => false,
} as const satisfies Decoding;

const plan = createWholePlan({ readSize: readSvgSize, readAnimated: () => false });

export const svgz = {
  type: "image/svg+xml",
  kind: "image",
  matches: (head) => readMarkup(gunzippedHead(head) ?? new Uint8Array())?.root === "svg", // SVG 1.1, appendix I
  aliases: ["image/svg", "application/gzip", "application/x-gzip"],
  readSize: readSvgSize,
  plan,
  decoding,
} as const satisfies Row;

export const svg = {
  type: "image/svg+xml",
  kind: "image",
  matches: (head) => markupIn(head)?.root === "svg", // SVG 1.1, 5.1
  aliases: ["image/svg", "application/xml", "text/xml", "text/plain"],
  isSometimesUnmarked: true, // a prolog may be longer than the head
  readSize: readSvgSize,
  plan,
  decoding,
} as const satisfies Row;
