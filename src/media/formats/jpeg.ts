import { createWorkBudget } from "./bytes.ts";
import type { Row } from "./format.ts";
import { isJpeg, readJpegHeader, readJpegSize, readSegment, startOfScan } from "./jpeg-segments.ts";
import { readThumbnailExcerpt } from "./jpeg-thumbnail.ts";
import type { ReadPlan } from "./plan.ts";
import { beginningOf } from "./progressive.ts";
import { foundPreview, isWhole, knownFacts, missingFacts, missingPreview, needMore } from "./received.ts";
import { headerOf, needHeader } from "./whole-plan.ts";

const endOfImage = 0xd9;

// Half of the largest default body: a picture of 200 megapixels. Each byte blocks the service's event loop for 1 ns.
const maxScannedBytes = 32 * 1024 ** 2;

/** A zero is a stuffed byte (B.1.1.5), 255 a fill byte, and restarts are inside a scan. */
function isInScan(next: number): boolean {
  return next === 0 || next === 0xff || (next >= 0xd0 && next <= 0xd7);
}

// A native search is faster than this loop only from so many bytes on: hostile bytes may be markers of nothing, all of them.
const shortSearchBytes = 32;

/** The first marker that ends a scan, or `last`. */
function endOfScan(head: Uint8Array, from: number, last: number): number {
  let at = from;
  while (at < last) {
    const far = Math.min(last, at + shortSearchBytes);
    for (; at < far; at += 1) if (head[at] === 0xff && !isInScan(head[at + 1] ?? 0)) return at;
    if (head[at] === 0xff) continue;
    const next = head.indexOf(0xff, at);
    at = next < 0 ? last : next;
  }
  return last;
}

/**
 * Finds where the main image ends: at the first end marker behind a scan. Segments are skipped by their lengths, so that the
 * end of a thumbnail or a preview in one does not count.
 *
 * @returns null if the end has not arrived; `never` if these are no segments, or too many
 */
export function findEndOfImage(head: Uint8Array): number | null | "never" {
  const work = createWorkBudget();
  const last = Math.min(head.length, maxScannedBytes) - 1;
  const missing = head.length < maxScannedBytes ? null : "never";
  let hasScan = false;
  let at = 2; // behind the start of image
  while (at < last) {
    if (head[at] !== 0xff || !work.step()) return "never";
    if (head[at + 1] === endOfImage) return hasScan ? at + 2 : "never";
    const segment = readSegment(head, at);
    if (segment === "fill") {
      at += 1;
      continue;
    }
    if (!segment) return at + 4 > head.length ? missing : "never";
    at = segment.end;
    if (segment.marker !== startOfScan) continue;
    hasScan = true;
    at = endOfScan(head, at, last);
  }
  return missing;
}

/** Whether the last bytes are an end marker: then nothing need be searched in the megabytes before. */
function endsWithEndOfImage(body: Uint8Array): boolean {
  return body.at(-2) === 0xff && body.at(-1) === endOfImage;
}

/** Adds the end marker to a JPEG without one, which some cameras and cut transfers leave off; null if nothing is missing. */
function completeJpeg(body: Uint8Array): Uint8Array | null {
  if (endsWithEndOfImage(body) || findEndOfImage(body) !== null) return null;
  const kept = body.at(-1) === 0xff ? body.subarray(0, -1) : body;
  return Buffer.concat([kept, Uint8Array.of(0xff, endOfImage)]);
}

/**
 * Facts in the frame header; the preview through the end of the main image: a motion photo's video or the gain map of an
 * HDR photo follows it. A progressive picture has a close preview earlier, and EXIF data may have a thumbnail.
 */
const plan: ReadPlan = {
  facts(file) {
    const size = readJpegSize(headerOf(file));
    const known = { ...size, animated: false };
    return size ? knownFacts(known) : missingFacts(file, known, needHeader(file));
  },

  preview(file) {
    const { prefix, length } = file;
    if (isWhole(file) && endsWithEndOfImage(prefix)) return foundPreview(prefix);
    const end = findEndOfImage(prefix);
    if (typeof end === "number") return foundPreview(prefix.subarray(0, end));
    const close = beginningOf(prefix, length);
    const sooner = close ? ({ bytes: close, accuracy: "close" } as const) : readThumbnailExcerpt(prefix);
    return missingPreview(file, end === "never" ? "whole" : needMore(file), sooner);
  },
};

export const jpeg = {
  type: "image/jpeg",
  kind: "image",
  matches: isJpeg,
  aliases: ["image/jpg", "image/pjpeg"],
  readSize: readJpegSize,
  plan,
  decoding: {
    setting: "jpeg",
    loader: "VipsForeignLoadJpeg",
    readHeader: readJpegHeader,
    complete: completeJpeg,
    // Progressive: all coefficients are kept, two bytes each; half as many where the chroma is subsampled.
    bytesPerPixel: ({ isProgressive, bytesAPixel }) => (isProgressive ? 2.1 * bytesAPixel : 0.12),
    // Progressive ones of three components took 6 to 8 ns a pixel, and 30 a byte of the file; more scans than usual take longer.
    nanosecondsPerPixel: ({ head, isProgressive, bytesAPixel, pixels }) =>
      isProgressive ? 4 * bytesAPixel + (30 * head.byteLength) / pixels : 5.5,
    isAnimated: () => false,
  },
} as const satisfies Row;
