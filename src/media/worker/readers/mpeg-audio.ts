import { countAdtsMs } from "../../formats/aac.ts";
import { countMp3Ms } from "../../formats/mp3.ts";
import { sniff } from "../../formats/sniff.ts";
import { type Reader, UnreadableError, noSize } from "../reader.ts";
import { reader as tracks } from "./tracks.ts";

/** MP3 and ADTS: the duration of all frames, if the first ones do not give it. */
export const reader: Reader = {
  ...tracks,
  async measure(body, isWhole) {
    const durationMs = isWhole ? (sniff(body)?.name === "aac" ? countAdtsMs(body) : countMp3Ms(body)) : null;
    if (durationMs !== null) return { ...noSize, animated: null, durationMs };
    // Behind a long tag there may be another format.
    return tracks.measure?.(body, isWhole) ?? Promise.reject(new UnreadableError("no frames"));
  },
};
