import { type Size, createSize } from "../raster.ts";
import { createWorkBudget, readInt32, readText, readUint16 } from "./bytes.ts";
import { type SampleTable, hasLongTimes, readMovie } from "./isobmff-movie.ts";
import { type SampleSpan, findSampleSpan } from "./isobmff-samples.ts";
import { type Box, boxes, findBox } from "./isobmff.ts";

/** The track of an image sequence (ISO/IEC 23008-12, 7), for files without a still picture. */
export interface Sequence {
  /** As displayed. */
  readonly size: Size;
  readonly stored: Size;
  /** Quarter turns, anticlockwise. */
  readonly quarters: number;
  /** The settings of its decoder and its colours: whole boxes. */
  readonly properties: readonly Uint8Array[];
  /** The type of an item with the same data; null if no decoder of ours has it. */
  readonly itemType: "av01" | "hvc1" | null;
  readonly samples: SampleTable | null;
  readonly timescale: number;
}

const itemTypes: Readonly<Record<string, "av01" | "hvc1">> = { av01: "av01", hvc1: "hvc1", hev1: "hvc1" };
const propertyTypes: readonly string[] = ["av1C", "hvcC", "colr"];
// A profile of a camera has half a kilobyte, a printer's half a megabyte.
const maxPropertyBytes = 2 ** 20;
// Of a visual sample entry before its boxes (ISO/IEC 14496-12, 12.1.3); its width and height begin at 24.
const entryBytes = 78;

/** Reads the first track of pictures in a movie header; null if there is none. Opacity has the handler `auxv`. */
export function readSequence(moov: Uint8Array): Sequence | null {
  const work = createWorkBudget();
  const inside = (box: Box | undefined, type: string, skipped = 0) =>
    box && findBox(boxes(moov, box.start + skipped, box.end, work), type);
  for (const { at, samples, timescale } of readMovie(moov)?.tracks ?? []) {
    const [track] = boxes(moov, at, moov.length, work);
    const media = inside(track, "mdia");
    const handler = inside(media, "hdlr");
    if (!handler || !["pict", "vide"].includes(readText(moov, handler.start + 8, 4))) continue;
    const descriptions = inside(inside(inside(media, "minf"), "stbl"), "stsd");
    // Behind the version and a count.
    const [entry] = descriptions ? boxes(moov, descriptions.start + 8, descriptions.end, work) : [];
    const stored = entry && createSize(readUint16(moov, entry.start + 24), readUint16(moov, entry.start + 26));
    if (!entry || !stored) continue;
    const quarters = readQuarters(moov, inside(track, "tkhd"));
    const properties = [...boxes(moov, entry.start + entryBytes, entry.end, work)]
      .filter(({ type, start, end }) => propertyTypes.includes(type) && end - start <= maxPropertyBytes)
      .map(({ type, start, end }) => makeBox(type, moov.subarray(start, end)));
    const size = quarters % 2 === 1 ? createSize(stored.height, stored.width) : stored;
    return size && { size, stored, quarters, properties, itemType: itemTypes[entry.type] ?? null, samples, timescale };
  }
  return null;
}

/** The turn in the matrix of a track header (ISO/IEC 14496-12, 8.3.2). */
function readQuarters(moov: Uint8Array, header: Box | undefined): number {
  if (!header) return 0;
  const matrix = header.start + (hasLongTimes(moov, header) ? 52 : 40);
  const [cosine, sine] = [readInt32(moov, matrix), readInt32(moov, matrix + 4)];
  if (cosine !== 0) return cosine < 0 ? 2 : 0;
  return sine === 0 ? 0 : sine > 0 ? 3 : 1;
}

/** Finds the bytes of the first frame; null if it cannot be decoded, or has fragments. */
export function findFirstFrame(moov: Uint8Array, { samples, timescale, itemType }: Sequence): SampleSpan | null {
  return samples && itemType && findSampleSpan(moov, samples, timescale, 0);
}

/** The size of a sequence in a whole file, or in its beginning; null if it has no movie header. */
export function readSequenceSize(body: Uint8Array): Size | null {
  const moov = findMovieIn(body);
  return moov && (readSequence(moov)?.size ?? null);
}

/** The first frame of a sequence in a whole file, as a file of a still picture; null if there is none. */
export function readSequenceStill(body: Uint8Array): Uint8Array | null {
  const moov = findMovieIn(body);
  const sequence = moov && readSequence(moov);
  const span = sequence && findFirstFrame(moov, sequence);
  return span && span.to <= body.length ? makeStill(sequence, body.subarray(span.from, span.to)) : null;
}

function findMovieIn(body: Uint8Array): Uint8Array | null {
  let at = 0;
  for (const { type, end, next } of boxes(body, 0, body.length, createWorkBudget())) {
    if (type === "moov") return body.subarray(at, end);
    at = next;
  }
  return null;
}

/** Makes a file of one picture (ISO/IEC 23008-12, 6) of the first frame of a sequence. */
export function makeStill({ itemType, properties, stored, quarters }: Sequence, frame: Uint8Array): Uint8Array {
  const brand = itemType === "av01" ? "avif" : "heic";
  const size = makeBox("ispe", full, uint(4, stored.width), uint(4, stored.height));
  const all = [...properties, size, makeBox("irot", uint(1, quarters))];
  // All properties are of the one item, in this order.
  const association = Buffer.from([all.length, ...all.map((_, index) => index + 1)]);
  const start = (frameAt: number) => [
    makeBox("ftyp", text(brand), full, text("mif1"), text(brand)),
    makeBox(
      "meta",
      full,
      makeBox("hdlr", full, full, text("pict"), Buffer.alloc(13)),
      makeBox("pitm", full, uint(2, 1)),
      makeBox("iloc", full, uint(2, 0x4400), ...[1, 1, 0, 1].map((value) => uint(2, value)), uint(4, frameAt), uint(4, frame.length)), // prettier-ignore
      makeBox("iinf", full, uint(2, 1), makeBox("infe", uint(4, 0x02000000), uint(2, 1), uint(2, 0), text(`${itemType ?? ""}\0`))), // prettier-ignore
      makeBox("iprp", makeBox("ipco", ...all), makeBox("ipma", full, uint(4, 1), uint(2, 1), association)),
    ),
  ];
  const frameAt = Buffer.concat(start(0)).length + 8;
  return Buffer.concat([...start(frameAt), makeBox("mdat", frame)]);
}

// Version and flags.
const full = Buffer.alloc(4);

function uint(bytes: number, value: number): Buffer {
  const buffer = Buffer.alloc(bytes);
  buffer.writeUIntBE(value, 0, bytes);
  return buffer;
}

function text(characters: string): Buffer {
  return Buffer.from(characters, "latin1");
}

function makeBox(type: string, ...contents: readonly Uint8Array[]): Uint8Array {
  const length = contents.reduce((sum, content) => sum + content.length, 8);
  return Buffer.concat([uint(4, length), text(type), ...contents]);
}
