import { type Fields, missingIn } from "../domain/fields.ts";
import type { Metadata } from "../domain/metadata.ts";
import type { Format } from "./formats/index.ts";

/** How far a body is read: its head alone; as far as the read plan of its format needs; to its end. */
export type Extent = "head" | "planned" | "whole";

/** The queue for most formats, and the one for formats of unpredictable cost. */
export type DecodeQueueName = "regular" | "unpredictable";

/** The facts of a file without its pixels, and the fields that need them. */
export const factFields: NonNullable<Fields> = ["width", "height", "animated", "durationMs"];
export const previewFields: NonNullable<Fields> = ["blurhash", "thumbhash", "thumbnail"];

// The fields that only the end of a body gives: the hash, and the counted size.
const wholeFields: NonNullable<Fields> = ["sha256", "bytesSource"];

const mediaKinds: readonly string[] = ["image", "video", "audio", "document"];

/** The declared length of a body. */
export interface DeclaredLength {
  readonly declaredBytes: number | null;
  readonly isTooLarge: boolean;
}

/**
 * Decides how far to read a body whose head is known.
 *
 * @param wholeBytes largest declared length of a body that is read to its end if no fields are requested
 */
export function extentOf(
  { declaredBytes, isTooLarge }: DeclaredLength,
  format: Format | null,
  known: Metadata,
  fields: Fields,
  wholeBytes: number,
): Extent {
  if (!isMedia(format, known.type)) return "head";
  const missing = fields && missingIn(known, fields);
  if (missing?.length === 0) return "head";
  if (!isTooLarge && isWholeWanted(missing, declaredBytes, wholeBytes)) return "whole";
  return format?.decoding ? "planned" : "head";
}

function isWholeWanted(missing: Fields, declaredBytes: number | null, wholeBytes: number): boolean {
  if (missing === null) return (declaredBytes ?? 0) <= wholeBytes;
  return missing.includes("bytes") || missing.some((field) => wholeFields.includes(field));
}

/**
 * Whether the rest of a body may add metadata of an image, a video, a sound or a document.
 *
 * If sniffing finds nothing, the header may be right: not all sounds have a signature. Bodies without either are mostly
 * ciphertext (XEP-0454): the rest would add only a hash, which is not worth up to 64 MB of the origin's traffic.
 */
export function isMedia(format: Format | null, type: string): boolean {
  return format ? mediaKinds.includes(format.kind) : /^(?:image|video|audio)\//.test(type);
}

// The facts that every file of a kind has. A film is left out: its excerpt is only close to its preview.
const factsOfKind: Readonly<Record<string, NonNullable<Fields>>> = {
  image: ["width", "height", "animated"],
  audio: ["durationMs"],
};

/** Whether all facts are known that a picture or a sound has. */
export function hasAllFacts({ kind }: Format, known: Metadata): boolean {
  const facts = factsOfKind[kind];
  return facts !== undefined && missingIn(known, facts).length === 0;
}

/** Whether one of the candidates is requested and unknown. */
export function isMissing(candidates: NonNullable<Fields>, known: Metadata, fields: Fields): boolean {
  return (
    missingIn(known, fields === null ? candidates : candidates.filter((field) => fields.includes(field))).length > 0
  );
}

/**
 * Selects the decode queue of a body; null if it is not decoded.
 *
 * Formats of unpredictable cost (PDF, SVG) have a small queue of their own: the decode queue is bounded by expected
 * work, and without a queue all their bodies would be read at once, and hold slots and memory while they wait for the
 * slow lane.
 */
export function decodeQueueOf(format: Format | null): DecodeQueueName | null {
  if (!format?.decoding) return null;
  return format.decoding.isUnpredictable ? "unpredictable" : "regular";
}
