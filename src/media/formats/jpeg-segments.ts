import { type Size, createSize } from "../raster.ts";
import { type WorkBudget, createWorkBudget, hasAt, readUint16 } from "./bytes.ts";
import { isSideways } from "./exif.ts";
import type { Header } from "./format.ts";

/** ITU-T T.81, B.1.1.3: start of image, then a marker. */
export function isJpeg(bytes: Uint8Array, at = 0): boolean {
  return hasAt(bytes, at, [0xff, 0xd8, 0xff]);
}

/** A segment of a JPEG: from a marker and its length to the next marker. */
interface Segment {
  readonly marker: number;
  /** Offset of its content. */
  readonly start: number;
  readonly end: number;
}

/**
 * Reads the marker and the length at an offset (ITU-T T.81, B.1.1.4); "fill" if a fill byte precedes the marker (B.1.1.2).
 *
 * After a marker without a length libjpeg searches for the next one. A parser that reads a length there finds another
 * frame than the decoded one: a small decoy that hides a pixel bomb.
 *
 * @returns null if no segment begins there of which libjpeg would see the same end
 */
export function readSegment(bytes: Uint8Array, at: number): Segment | "fill" | null {
  if (bytes[at] !== 0xff) return null;
  const marker = bytes[at + 1] ?? 0;
  if (marker === 0xff) return "fill";
  const hasLength = marker > 1 && (marker < 0xd0 || marker > 0xd9);
  const end = at + 2 + readUint16(bytes, at + 2);
  return hasLength && end >= at + 4 ? { marker, start: at + 4, end } : null;
}

/** The segments one after the other, a step each, up to the first that is not sure. */
function* jpegSegments(head: Uint8Array, from: number, work: WorkBudget): Generator<Segment> {
  for (let at = from; at + 4 < head.length;) {
    const segment = readSegment(head, at);
    if (segment === "fill") {
      at += 1;
      continue;
    }
    if (!segment || !work.step()) return;
    yield segment;
    at = segment.end;
  }
}

/** SOF0 to SOF15, less the tables (DHT, JPG, DAC) that share the range. */
export function isFrame(marker: number): boolean {
  return marker >= 0xc0 && marker <= 0xcf && ![0xc4, 0xc8, 0xcc].includes(marker);
}

/** SOF2 and SOF10: Huffman, arithmetic. */
export function isProgressiveFrame(marker: number): boolean {
  return marker === 0xc2 || marker === 0xca;
}

export const startOfScan = 0xda;

interface Frame extends Header {
  readonly components: number;
  readonly end: number;
}

/** ITU-T T.81, B.2.2, for any coding process; turned by the EXIF data before it, null if that is unreadable. */
function readFrame(head: Uint8Array, work: WorkBudget): Frame | null {
  let turned: boolean | null = false;
  let hasExif = false;
  for (const { marker, start, end } of jpegSegments(head, 2, work)) {
    if (marker === startOfScan) return null;
    if (marker === 0xe1 && !hasExif && hasAt(head, start, "Exif\0")) {
      hasExif = true;
      turned = isSideways(head.subarray(start + 6, end), work);
    }
    if (!isFrame(marker)) continue;
    if (turned === null || start + 6 > head.length) return null;
    const [height, width] = [readUint16(head, start + 1), readUint16(head, start + 3)];
    const displayed = turned ? createSize(height, width) : createSize(width, height);
    const components = head[start + 5] ?? 0;
    const bytesAPixel = components * ((head[start] ?? 0) > 8 ? 2 : 1);
    return displayed && { size: displayed, isProgressive: isProgressiveFrame(marker), bytesAPixel, components, end };
  }
  return null;
}

/** Up to the first scan (ITU-T T.81, B.2.3). If that lacks components, libjpeg buffers all, as if progressive. */
export function readJpegHeader(head: Uint8Array): Header | null {
  const work = createWorkBudget();
  const frame = readFrame(head, work);
  if (!frame) return null;
  const { size, bytesAPixel, components } = frame;
  for (const { marker, start } of jpegSegments(head, frame.end, work)) {
    if (marker === startOfScan) {
      return { size, isProgressive: frame.isProgressive || head[start] !== components, bytesAPixel };
    }
  }
  return null;
}

export function readJpegSize(head: Uint8Array): Size | null {
  return readFrame(head, createWorkBudget())?.size ?? null;
}
