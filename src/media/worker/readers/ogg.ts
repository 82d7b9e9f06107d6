import { readOggFacts } from "../../formats/ogg.ts";
import { type Reader, UnreadableError, noSize } from "../reader.ts";
import { beginning, reader as tracks } from "./tracks.ts";

/** Ogg: most durations from the first and the last pages, as the plan reads them early; the others by the library. */
export const reader: Reader = {
  ...tracks,
  async measure(body, isWhole) {
    const { size, durationMs, kind } = readOggFacts({ prefix: body, parts: [], length: isWhole ? body.length : null });
    const byLibrary = durationMs === null && (kind === "vorbis" || kind === "opus" || kind === null);
    if (byLibrary) return tracks.measure?.(body, isWhole) ?? Promise.reject(new UnreadableError("no stream"));
    return { ...(size ?? noSize), animated: null, durationMs };
  },
  cut: (body) =>
    Promise.resolve(readOggFacts({ prefix: body, parts: [], length: null }).size ? beginning(body, "ogg") : null),
};
