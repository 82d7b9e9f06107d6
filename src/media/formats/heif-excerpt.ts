import { readText, readUint32 } from "./bytes.ts";
import type { PreviewItems } from "./heif-preview-items.ts";
import type { ReceivedFile } from "./plan.ts";
import { readRange } from "./received.ts";

/** A range of the file, `to` excluded. */
export interface Span {
  readonly from: number;
  readonly to: number;
}

/** The ranges with the data of the needed items: disjoint, in order, joined where the gap is at most `gapBytes`. */
export function spansOf({ locations, needed }: PreviewItems, gapBytes: number): Span[] {
  const extents = [...needed].flatMap((item) => locations.items.get(item)?.extents ?? []);
  extents.sort((one, other) => one.from - other.from);
  const spans: { from: number; to: number }[] = [];
  for (const { from, to } of extents) {
    const last = spans.at(-1);
    if (last && from <= last.to + gapBytes) last.to = Math.max(last.to, to);
    else spans.push({ from, to });
  }
  return spans;
}

// Data of the items that no decoder reads for a preview. A reader of metadata gets zeros.
const blankBytes = 16;
const boxHeaderBytes = 8;

/** Writes a number of 0, 4 or 8 bytes. */
function writeNumber(bytes: Buffer, at: number, count: number, value: number): void {
  if (count === 0) return;
  if (count === 8) bytes.writeUInt32BE(Math.floor(value / 2 ** 32), at);
  bytes.writeUInt32BE(value % 2 ** 32, at + count - 4);
}

// Brands of files with a `moov` box too (ISO/IEC 23008-12, 10.3; AV1 Image File Format 6.3), which an excerpt lacks: libheif
// refuses it then.
const sequenceBrands: readonly string[] = ["avis", "msf1", "hevc", "hevx", "hevm", "hevs"];
const pictureBrand = Buffer.from("mif1");

/** @param excerpt is changed */
function renameSequence(excerpt: Buffer): void {
  const end = Math.min(excerpt.length, readUint32(excerpt, 0));
  for (let at = boxHeaderBytes; at + 4 <= end; at += 4) {
    if (sequenceBrands.includes(readText(excerpt, at, 4))) excerpt.set(pictureBrand, at);
  }
}

/**
 * Makes a file of the `ftyp` and `meta` boxes and the data of the needed items alone; the list of locations
 * (ISO/IEC 14496-12, 8.11.3) is changed in place.
 *
 * @param start the two boxes, whole
 * @returns null if data has not arrived
 */
export function makeHeifExcerpt(file: ReceivedFile, start: Uint8Array, items: PreviewItems): Uint8Array | null {
  const { locations, needed } = items;
  const spans = spansOf(items, 0);
  const data: Uint8Array[] = [];
  const places: number[] = [];
  const blankAt = start.length + boxHeaderBytes;
  let end = blankAt + blankBytes;
  for (const { from, to } of spans) {
    const bytes = readRange(file, from, to);
    if (!bytes) return null;
    data.push(bytes);
    places.push(end);
    end += bytes.length;
  }
  const header = Buffer.from("\0\0\0\0mdat", "latin1");
  header.writeUInt32BE(end - start.length, 0);
  const excerpt = Buffer.concat([start, header, new Uint8Array(blankBytes), ...data]);
  renameSequence(excerpt);
  const { offsetBytes, lengthBytes, baseBytes } = locations;
  for (const [item, { extents, baseAt }] of locations.items) {
    for (const { from, to, offsetAt, lengthAt } of extents) {
      const span = needed.has(item) ? findSpan(spans, from) : null;
      const place = span === null ? blankAt : (places[span] ?? 0) + from - (spans[span]?.from ?? 0);
      writeNumber(excerpt, lengthAt, lengthBytes, span === null ? Math.min(to - from, blankBytes) : to - from);
      // Without a field for offsets, the base is the offset.
      writeNumber(excerpt, baseAt, baseBytes, offsetBytes === 0 ? place : 0);
      writeNumber(excerpt, offsetAt, offsetBytes, place);
    }
  }
  return excerpt;
}

/** The index of the span that contains a position, by binary search: a hostile file has thousands of both. */
function findSpan(spans: readonly Span[], at: number): number {
  let [low, high] = [0, spans.length - 1];
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if ((spans[middle]?.from ?? Infinity) <= at) low = middle;
    else high = middle - 1;
  }
  return low;
}
