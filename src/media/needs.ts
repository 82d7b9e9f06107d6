import { type Fields, missingIn } from "../domain/fields.ts";
import type { Metadata } from "../domain/metadata.ts";
import type { Format } from "./formats/index.ts";

// The fields that the rest of a body can add if its format is not decoded.
const toldByReading: NonNullable<Fields> = ["bytes", "bytesSource", "sha256"];

/** Whether the rest of the body can be skipped: it would add none of the requested fields. */
export function suffices(known: Metadata, format: Format | null, fields: Fields): boolean {
  if (fields === null) return false;
  const missing = missingIn(known, fields);
  return format?.decoding ? missing.length === 0 : !missing.some((field) => toldByReading.includes(field));
}

/**
 * Selects the decode queue of a body; null if it is not decoded.
 *
 * Formats of unpredictable cost (PDF, SVG) have a small queue of their own: the decode queue is bounded by expected
 * work, and without a queue all their bodies would be read at once, and hold slots and memory while they wait for the
 * slow lane.
 */
export function decodeQueueOf(format: Format | null): "regular" | "unpredictable" | null {
  if (!format?.decoding) return null;
  return format.decoding.isUnpredictable ? "unpredictable" : "regular";
}

// The fields in the header of a movie.
const toldByMovie: readonly (keyof Metadata)[] = ["width", "height", "durationMs"];

/** Whether to fetch the header of a movie with a request of its own: the rest will not come, or is not needed. */
export function isMovieWanted(isTooLarge: boolean, known: Metadata, fields: Fields): boolean {
  if (isTooLarge) return true;
  const missing = fields === null ? [] : missingIn(known, fields);
  return missing.length > 0 && missing.every((field) => toldByMovie.includes(field));
}
