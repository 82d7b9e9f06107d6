import { type Fields, missingIn } from "../domain/fields.ts";
import type { Metadata } from "../domain/metadata.ts";
import type { Format } from "./formats/index.ts";

// What reading on tells of a file whose pixels cannot be had.
const toldByReading: NonNullable<Fields> = ["bytes", "bytesSource", "sha256"];

/** Whether reading on would tell nothing that is needed. */
export function suffices(known: Metadata, format: Format | null, fields: Fields): boolean {
  if (fields === null) return false;
  const missing = missingIn(known, fields);
  return format?.decoding ? missing.length === 0 : !missing.some((field) => toldByReading.includes(field));
}

/**
 * The queue in which a body waits for the decoders; null if it is not decoded.
 *
 * Formats of unpredictable cost (PDF, SVG) have a small one of their own: the decode queue is bounded by expected work, and
 * without a queue all their bodies would be read at once, and hold slots and memory while they wait for the one slow decoder.
 */
export function decodeQueueOf(format: Format | null): "regular" | "unpredictable" | null {
  if (!format?.decoding) return null;
  return format.decoding.isUnpredictable ? "unpredictable" : "regular";
}

// What the header of a movie tells.
const toldByMovie: readonly (keyof Metadata)[] = ["width", "height", "durationMs"];

/** Whether it is worth a request of its own to look for the header of a movie: the rest will not come, or is not needed. */
export function isMovieWanted(isTooLarge: boolean, known: Metadata, fields: Fields): boolean {
  if (isTooLarge) return true;
  const missing = fields === null ? [] : missingIn(known, fields);
  return missing.length > 0 && missing.every((field) => toldByMovie.includes(field));
}
