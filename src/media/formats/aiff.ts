import { all, any, at, createWorkBudget, readText, readUint32 } from "./bytes.ts";
import type { Row } from "./format.ts";
import type { FactsStep, ReceivedFile } from "./plan.ts";
import { measurableFacts, needNextHeader, needRange, noFacts, noPreview, readRange } from "./received.ts";
import { chunkHeaderBytes, formHeaderBytes } from "./riff.ts";
import { audio } from "./tracks.ts";

const maxCommonBytes = 1024;
// Read with the header of a chunk that has not arrived, so that many small chunks take few steps.
const guessBytes = 16 * 1024;

/** The common chunk has the number of samples. It may stand behind the samples. */
function planFacts(file: ReceivedFile): FactsStep {
  const work = createWorkBudget();
  for (let at = formHeaderBytes; work.step();) {
    const start = at + chunkHeaderBytes;
    const header = readRange(file, at, start);
    if (!header) return noFacts(needNextHeader(file, at, guessBytes));
    const bytes = readUint32(header, 4);
    if (readText(header, 0, 4) === "COMM") {
      if (bytes > maxCommonBytes) break;
      const chunk = readRange(file, at, start + bytes);
      if (!chunk) return noFacts(needRange(file, at, start + bytes));
      return measurableFacts(Buffer.concat([file.prefix.subarray(0, formHeaderBytes), chunk]));
    }
    at = start + bytes + (bytes % 2);
  }
  return noFacts();
}

export const aiff = {
  type: "audio/aiff",
  kind: "audio",
  matches: all(at(0, "FORM"), any(at(8, "AIFF"), at(8, "AIFC"))), // Apple, Audio Interchange File Format
  aliases: ["audio/x-aiff"],
  plan: { facts: planFacts, preview: () => noPreview() }, // nothing reads its covers
  decoding: { ...audio, reader: "aiff" },
} as const satisfies Row;
