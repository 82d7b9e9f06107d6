import { readChainedMs } from "../../formats/ogg-chain.ts";
import { readOggFacts } from "../../formats/ogg.ts";
import { type Reader, UnreadableError, noSize } from "../reader.ts";
import { beginning, reader as tracks } from "./tracks.ts";

/** Ogg, as far as its read plan does not know it: chained files, and others by the library. */
export const reader: Reader = {
  ...tracks,
  async measure(body, isWhole) {
    const { size, kind } = readOggFacts({ prefix: body, parts: [], length: isWhole ? body.length : null });
    const durationMs = isWhole ? readChainedMs(body) : null;
    const byLibrary = durationMs === null && (kind === "vorbis" || kind === "opus" || kind === null);
    if (byLibrary) return tracks.measure?.(body, isWhole) ?? Promise.reject(new UnreadableError("no stream"));
    return { ...(size ?? noSize), animated: null, durationMs };
  },
  cut: (body) =>
    Promise.resolve(readOggFacts({ prefix: body, parts: [], length: null }).size ? beginning(body, "ogg") : null),
};
