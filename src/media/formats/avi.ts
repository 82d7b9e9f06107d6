import { createWorkBudget, hasAt } from "./bytes.ts";
import { maxMediaBytes } from "./clip.ts";
import type { Row } from "./format.ts";
import type { FactsStep, PreviewStep, ReceivedFile } from "./plan.ts";
import { clampToFile, foundPreview, measurableFacts, needMore, noFacts, noPreview } from "./received.ts";
import { chunkHeaderBytes, formHeaderBytes, readRiffChunk, riff } from "./riff.ts";
import { video } from "./tracks.ts";

// The headers of a file with an index of its own (OpenDML) have some tens of kB.
const maxHeaderBytes = 4 * 1024 ** 2;

/** The size and the length of each stream stand in the first list, `hdrl`. */
function planFacts(file: ReceivedFile): FactsStep {
  const { prefix } = file;
  const work = createWorkBudget();
  for (let at = formHeaderBytes; at < maxHeaderBytes && work.step();) {
    const typeEnd = at + chunkHeaderBytes + 4; // of a list
    if (typeEnd > prefix.length) return noFacts(needMore(file, typeEnd));
    const { type, start, end, next } = readRiffChunk(prefix, at);
    if (type === "LIST" && hasAt(prefix, start, "hdrl")) {
      if (end > maxHeaderBytes) break;
      return end <= prefix.length ? measurableFacts(prefix.subarray(0, end)) : noFacts(needMore(file, end));
    }
    at = next;
  }
  return noFacts();
}

/** The worker gives the first bytes of the file to ffmpeg. */
function planPreview(file: ReceivedFile): PreviewStep {
  const end = clampToFile(file, maxMediaBytes);
  if (file.prefix.length < end) return noPreview(needMore(file, end));
  return foundPreview(file.prefix.subarray(0, end));
}

export const avi = {
  type: "video/x-msvideo",
  kind: "video",
  matches: riff("AVI "), // Microsoft, AVI RIFF File Reference
  aliases: ["video/avi", "video/msvideo", "video/vnd.avi"],
  plan: { facts: planFacts, preview: planPreview },
  decoding: { ...video, reader: "avi" },
} as const satisfies Row;
