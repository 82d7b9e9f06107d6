import { createWorkBudget, hasAt, readUint32LE } from "./bytes.ts";
import { maxMediaBytes } from "./clip.ts";
import type { Row } from "./format.ts";
import type { FactsStep, PreviewStep, ReadPlan, ReceivedFile } from "./plan.ts";
import { riff } from "./riff.ts";
import { needPrefix } from "./track-bytes.ts";
import { video } from "./tracks.ts";

const formHeaderBytes = 12;
const chunkHeaderBytes = 8;
// The headers of a file with an index of its own (OpenDML) have some tens of kB.
const maxHeaderBytes = 4 * 1024 ** 2;

/** The size and the length of each stream stand in the first list, `hdrl`. */
function planFacts(file: ReceivedFile): FactsStep {
  const { prefix } = file;
  const work = createWorkBudget();
  for (let at = formHeaderBytes; at < maxHeaderBytes && work.step();) {
    const start = at + chunkHeaderBytes;
    if (start + 4 > prefix.length) return { known: {}, measurable: null, need: needPrefix(file, start + 4) };
    const end = start + readUint32LE(prefix, at + 4);
    if (hasAt(prefix, at, "LIST") && hasAt(prefix, start, "hdrl")) {
      if (end > maxHeaderBytes) break;
      const isThere = end <= prefix.length;
      return {
        known: {},
        measurable: isThere ? prefix.subarray(0, end) : null,
        need: isThere ? null : needPrefix(file, end),
      };
    }
    at = end + (end % 2);
  }
  return { known: {}, measurable: null, need: null };
}

/** The worker gives the first bytes of the file to ffmpeg. */
function planPreview(file: ReceivedFile): PreviewStep {
  const end = Math.min(maxMediaBytes, file.length ?? Infinity);
  if (file.prefix.length < end) return { excerpt: null, need: needPrefix(file, end) };
  return { excerpt: { bytes: file.prefix.subarray(0, end), accuracy: "exact" }, need: null };
}

/** Plan of Audio Video Interleave. */
const plan: ReadPlan = { facts: planFacts, preview: planPreview };

export const avi = {
  type: "video/x-msvideo",
  kind: "video",
  matches: riff("AVI "), // Microsoft, AVI RIFF File Reference
  aliases: ["video/avi", "video/msvideo", "video/vnd.avi"],
  plan,
  decoding: { ...video, reader: "avi" },
} as const satisfies Row;
