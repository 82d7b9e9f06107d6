import { type Test, createWorkBudget, readText, readUint32 } from "./bytes.ts";
import type { Decoding, Opened, Row } from "./format.ts";
import { makeHeifExcerpt, spansOf } from "./heif-excerpt.ts";
import { hasPlainHevc, readHeifSize, readThumbnail, versionBytes } from "./heif-items.ts";
import { type PreviewItems, readPreviewItems } from "./heif-preview-items.ts";
import { findFirstFrame, makeStill, readSequence, readSequenceSize, readSequenceStill } from "./heif-sequence.ts";
import type { Size } from "../raster.ts";
import { boxes, brandsIn, findBox, readBrands, readFileBox } from "./isobmff.ts";
import { findMovie } from "./mp4.ts";
import type { FactsStep, Need, PreviewStep, ReadPlan, ReceivedFile } from "./plan.ts";
import {
  foundPreview,
  hasRange,
  knownFacts,
  missingFacts,
  missingPreview,
  needNextHeader,
  needRange,
  readRange,
} from "./received.ts";

// The boxes before `meta`: the file type, the data in files whose writer streams, and free space.
const maxBoxes = 64;
// The items of a picture of 1024 tiles take 40 kB, and a printer's profile half a megabyte.
const maxMetaBytes = 4 * 1024 ** 2;
// Read with the header of a box behind the data: mostly all of it.
const metaGuessBytes = 16 * 1024;
// Gaps between data that are read, so that requests are few.
const maxGapBytes = 64 * 1024;
// Each costs a round trip.
const maxRanges = 3;

// Brands of files with an animation (ISO/IEC 23008-12, 10.3 and annexes; AV1 Image File Format 6).
const sequenceBrands = ["avis", "msf1", "hevc", "hevx", "hevm", "hevs", "avcs", "jpgs", "j2is", "vvis", "evbs", "evms"];

interface HeifOptions {
  /** Whether libheif decodes it, a thumbnail if there is one; else libvips does. */
  readonly byReader: boolean;
}

/** Finds the `ftyp` and `meta` boxes in any order of boxes, and joins them; else returns the need for them. */
function readStart(file: ReceivedFile): Uint8Array | Need | null {
  const fileEnd = file.length ?? Infinity;
  let typeEnd = 0;
  let at = 0;
  for (let count = 0; count < maxBoxes; count += 1) {
    const box = readFileBox(file, at);
    if (!box) return needNextHeader(file, at, metaGuessBytes);
    const { type, next } = box;
    if (next === null || (count === 0 && type !== "ftyp")) return "whole";
    if (count === 0) typeEnd = next;
    if (type === "meta") {
      if (next > fileEnd || typeEnd + next - at > maxMetaBytes) return "whole";
      const [typeBox, meta] = [readRange(file, 0, typeEnd), readRange(file, at, next)];
      return typeBox && meta ? Buffer.concat([typeBox, meta]) : needRange(file, at, next);
    }
    at = next;
  }
  return "whole";
}

/** The need for the next range with data. */
function needData(file: ReceivedFile, items: PreviewItems): Need | null {
  const spans = spansOf(items, maxGapBytes);
  const missing = spans.filter(({ from, to }) => !hasRange(file, from, to));
  const [next, last] = [missing[0], missing.at(-1)];
  if (!next || !last || (file.length !== null && last.to > file.length)) return "whole";
  return spans.length > maxRanges ? needRange(file, next.from, last.to) : needRange(file, next.from, next.to);
}

/** The primary picture's size, or that of a sequence without one. */
function readPictureSize(body: Uint8Array): Size | null {
  return readHeifSize(body) ?? (isSequence(body) ? readSequenceSize(body) : null);
}

function isSequence(head: Uint8Array): boolean {
  return readBrands(head).some((brand) => sequenceBrands.includes(brand));
}

/** The facts of a sequence without a still picture: those of its track. */
function sequenceFacts(file: ReceivedFile): FactsStep {
  const found = findMovie(file);
  const known = { animated: true };
  if ("need" in found) return missingFacts(file, known, found.need);
  const size = readSequence(found.bytes)?.size;
  return size ? knownFacts({ ...size, ...known }) : missingFacts(file, known, "whole");
}

/** The first frame of a sequence without a still picture. */
function previewSequence(file: ReceivedFile): PreviewStep {
  const found = findMovie(file);
  if ("need" in found) return missingPreview(file, found.need);
  const sequence = readSequence(found.bytes);
  const span = sequence && findFirstFrame(found.bytes, sequence);
  if (!span) return missingPreview(file, "whole");
  const frame = readRange(file, span.from, span.to);
  return frame ? foundPreview(makeStill(sequence, frame)) : missingPreview(file, needRange(file, span.from, span.to));
}

/** Whether no more bytes will show a still picture: the boxes end without one, or they do not give its size. */
function hasNoStill(start: Uint8Array | Need | null): boolean {
  return start instanceof Uint8Array ? readHeifSize(start) === null : start === null || start === "whole";
}

/**
 * Facts in the `meta` box. The preview is made of the data of the items that the decoder reads: the primary picture, of all
 * its tiles, or its thumbnail.
 */
function createHeifPlan({ byReader }: HeifOptions): ReadPlan {
  return {
    facts(file) {
      const start = readStart(file);
      if (isSequence(file.prefix) && hasNoStill(start)) return sequenceFacts(file);
      if (!(start instanceof Uint8Array)) return missingFacts(file, {}, start);
      const animated = isSequence(start);
      const size = readHeifSize(start);
      return size ? knownFacts({ ...size, animated }) : missingFacts(file, { animated }, "whole");
    },

    preview(file) {
      const start = readStart(file);
      if (isSequence(file.prefix) && hasNoStill(start)) return previewSequence(file);
      if (!(start instanceof Uint8Array)) return missingPreview(file, start);
      const items = readPreviewItems(start, { byReader });
      if (!items) return missingPreview(file, "whole");
      const excerpt = makeHeifExcerpt(file, start, items);
      return excerpt ? foundPreview(excerpt) : missingPreview(file, needData(file, items));
    },
  };
}

/**
 * A file of a picture and an animation, renamed to one of a picture alone, which libvips opens; the picture is the first
 * frame (AV1 Image File Format 6.3). Of an animation alone its first frame, as a picture.
 *
 * @param body is changed
 */
export function asStill(body: Uint8Array): Uint8Array {
  const still = isSequence(body) && readHeifSize(body) === null ? readSequenceStill(body) : null;
  if (still) return still;
  const [first] = boxes(body, 0, body.length, createWorkBudget());
  if (first?.type === "ftyp" && readUint32(body, first.start) === 0x61766973)
    body.set([0x61, 0x76, 0x69, 0x66], first.start);
  return body;
}

// Brands of any codec, of pictures and of sequences (ISO/IEC 23008-12, 10.2 and 10.3).
const genericBrands: readonly string[] = ["mif1", "mif2", "mif3", "msf1", "miaf"];
// AVC, JPEG, JPEG 2000, VVC and EVC (ISO/IEC 23008-12, annexes E, H, L and M; 15444-16).
const otherCodecBrands: readonly string[] = [
  ...["avci", "avcs", "jpeg", "jpgs", "j2ki", "j2is", "vvic", "vvis", "evbi", "evmi", "evbs", "evms"],
];

/** One of the brands is the major one, or among the compatible ones of a file whose major brand names no codec. */
function stillBrand(...wanted: readonly string[]): Test {
  return (head) => {
    const [major = "", ...compatible] = brandsIn(head);
    if (wanted.includes(major)) return true;
    if (!compatible.some((brand) => wanted.includes(brand)) || otherCodecBrands.includes(major)) return false;
    return genericBrands.includes(major) || isOfPictures(head);
  };
}

/** Whether a file with another major brand is one of pictures: its first boxes are a list of them, and no movie header. */
function isOfPictures(head: Uint8Array): boolean {
  const work = createWorkBudget();
  for (const box of boxes(head, 0, head.length, work)) {
    if (box.type === "moov") return false;
    if (box.type !== "meta") continue;
    const handler = findBox(boxes(head, box.start + versionBytes, box.end, work), "hdlr");
    return handler !== undefined && readText(head, handler.start + 8, 4) === "pict";
  }
  return false;
}

/** If a photo has a thumbnail, only that is decoded. */
function decodedShare({ head, pixels }: Opened): number {
  const thumbnail = readThumbnail(head);
  return thumbnail ? (thumbnail.width * thumbnail.height) / pixels : 1;
}

export const avif = {
  type: "image/avif",
  kind: "image",
  matches: stillBrand("avif", "avis", "MA1A", "MA1B"), // AV1 Image File Format 6
  aliases: ["image/avif-sequence"],
  readSize: readPictureSize,
  plan: createHeifPlan({ byReader: false }),
  decoding: {
    setting: "avif",
    loader: "VipsForeignLoadHeif",
    bytesPerPixel: () => 26, // 16 to 20 with 8 bits a sample
    // Coefficients take time by the byte. Measured: 23 to 80 ns a pixel up to 1 bit a pixel, 340 with 5 bits.
    nanosecondsPerPixel: ({ head, pixels }) => 35 + (360 * head.byteLength) / pixels,
    strip: asStill,
    isAnimated: ({ head }) => isSequence(head),
  },
} as const satisfies Row;

const heicDecoding = {
  setting: "heic",
  reader: "heic",
  libraryBytes: 20e6,
  bytesPerPixel: (file) => (hasPlainHevc(file.head) ? 14 : 20) * decodedShare(file),
  nanosecondsPerPixel: (file) => 100 * decodedShare(file),
  isAnimated: ({ head }) => isSequence(head),
} as const satisfies Decoding;

const heicPlan = createHeifPlan({ byReader: true });

export const heic = {
  type: "image/heic",
  kind: "image",
  matches: stillBrand("heic", "heix", "hevc", "hevx", "heim", "heis", "hevm", "hevs"), // ISO/IEC 23008-12, B.4
  aliases: ["image/heif", "image/heic-sequence", "image/heif-sequence"],
  readSize: readPictureSize,
  plan: heicPlan,
  decoding: heicDecoding,
} as const satisfies Row;

export const heif = {
  type: "image/heif",
  kind: "image",
  matches: stillBrand(...genericBrands, ...otherCodecBrands),
  aliases: ["image/heic", "image/heif-sequence"],
  refinedBy: /^image\/(?:avci|avcs|hej2k|hsj2)$/, // registered with IANA
  readSize: readPictureSize,
  plan: heicPlan,
  decoding: heicDecoding,
} as const satisfies Row;
