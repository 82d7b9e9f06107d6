import { all, any, at, createWorkBudget, readText, readUint32 } from "./bytes.ts";
import type { Row } from "./format.ts";
import type { FactsStep, ReadPlan, ReceivedFile } from "./plan.ts";
import { bytesBetween, needBetween, noPreview } from "./track-bytes.ts";
import { audio } from "./tracks.ts";

const formHeaderBytes = 12;
const chunkHeaderBytes = 8;
const maxCommonBytes = 1024;

/** The common chunk has the number of samples. It may stand behind the samples. */
function planFacts(file: ReceivedFile): FactsStep {
  const work = createWorkBudget();
  const none = { known: {}, measurable: null } as const;
  for (let at = formHeaderBytes; work.step();) {
    const start = at + chunkHeaderBytes;
    const header = bytesBetween(file, at, start);
    if (!header) return { ...none, need: needBetween(file, at, start + maxCommonBytes) };
    const bytes = readUint32(header, 4);
    const isCommon = readText(header, 0, 4) === "COMM";
    if (isCommon && bytes > maxCommonBytes) break;
    const chunk = isCommon ? bytesBetween(file, at, start + bytes) : null;
    if (chunk) {
      return { known: {}, measurable: Buffer.concat([file.prefix.subarray(0, formHeaderBytes), chunk]), need: null };
    }
    if (isCommon) return { ...none, need: needBetween(file, at, start + bytes) };
    at = start + bytes + (bytes % 2);
  }
  return { ...none, need: null };
}

/** Plan of the Audio Interchange File Format. Nothing reads its covers. */
const plan: ReadPlan = { facts: planFacts, preview: () => noPreview };

export const aiff = {
  type: "audio/aiff",
  kind: "audio",
  matches: all(at(0, "FORM"), any(at(8, "AIFF"), at(8, "AIFC"))), // Apple, Audio Interchange File Format
  aliases: ["audio/x-aiff"],
  plan,
  decoding: { ...audio, reader: "aiff" },
} as const satisfies Row;
