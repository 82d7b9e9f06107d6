import { type Fields, missingIn } from "../domain/fields.ts";
import type { Metadata } from "../domain/metadata.ts";
import type { Format } from "./formats.ts";

// What reading on tells of a file whose pixels cannot be had.
const toldByReading: NonNullable<Fields> = ["bytes", "bytesSource", "sha256"];

/** Whether reading on would tell nothing that is needed. */
export function suffices(known: Metadata, format: Format | null, fields: Fields): boolean {
  if (fields === null) return false;
  const missing = missingIn(known, fields);
  return format?.decoding ? missing.length === 0 : !missing.some((field) => toldByReading.includes(field));
}

/** Whether its body waits for a turn with the decoders. Of a format that may take any time nothing can be said of how long that is. */
export function takesTurns(format: Format | null): boolean {
  return format?.decoding ? !format.decoding.isUnpredictable : false;
}

// What the header of a movie tells.
const toldByMovie: readonly (keyof Metadata)[] = ["width", "height", "durationMs"];

/** Whether it is worth a request of its own to look for the header of a movie: the rest will not come, or is not needed. */
export function isMovieWanted(isTooLarge: boolean, known: Metadata, fields: Fields): boolean {
  if (isTooLarge) return true;
  const missing = fields === null ? [] : missingIn(known, fields);
  return missing.length > 0 && missing.every((field) => toldByMovie.includes(field));
}
