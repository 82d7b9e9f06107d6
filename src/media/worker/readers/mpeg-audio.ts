import { countAdtsMs } from "../../formats/aac.ts";
import { countMp3Ms } from "../../formats/mp3.ts";
import { sniff } from "../../formats/sniff.ts";
import { type Reader, noSize } from "../reader.ts";
import { reader as tracks } from "./tracks.ts";

/** MP3 and ADTS: the duration of all frames, if their read plan cannot tell it from the first ones. */
export const reader: Reader = {
  ...tracks,
  measure: (body, isWhole) => {
    const durationMs = isWhole ? (sniff(body)?.name === "aac" ? countAdtsMs(body) : countMp3Ms(body)) : null;
    return Promise.resolve({ ...noSize, animated: null, durationMs });
  },
};
