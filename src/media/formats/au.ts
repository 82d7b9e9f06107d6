import { hasAt, readUint32 } from "./bytes.ts";
import type { Row } from "./format.ts";
import type { FactsStep, ReceivedFile } from "./plan.ts";
import { createSoundPlan, createFacts, needFacts } from "./header-facts.ts";
import { noFacts } from "./received.ts";
import { wholeFacts } from "./received.ts";
import { audio } from "./tracks.ts";

// Sun and NeXT, <multimedia/audio_filehdr.h>: the encodings have the numbers 1 to 27.
const maxEncoding = 27;
const minHeaderBytes = 24;
// Bytes of a sample by encoding: mu-law; integers of 8, 16, 24 and 32 bits; floats of 32 and 64 bits; A-law.
const sampleBytes: Readonly<Record<number, number>> = { 1: 1, 2: 1, 3: 2, 4: 3, 5: 4, 6: 4, 7: 8, 27: 1 };

function isAu(head: Uint8Array): boolean {
  const [dataAt, encoding, rate, channels] = [4, 12, 16, 20].map((offset) => readUint32(head, offset)) as [
    number,
    number,
    number,
    number,
  ];
  const isHeader = hasAt(head, 0, ".snd") && dataAt >= minHeaderBytes;
  return isHeader && encoding >= 1 && encoding <= maxEncoding && rate > 0 && channels > 0 && channels < 256;
}

/** The length of the samples, up to the end of the file; 2^32 - 1 while it is written. */
function planFacts(file: ReceivedFile): FactsStep {
  const { prefix, length } = file;
  if (prefix.length < minHeaderBytes) return needFacts(file, minHeaderBytes);
  const [dataAt, dataBytes, encoding] = [readUint32(prefix, 4), readUint32(prefix, 8), readUint32(prefix, 12)];
  const frameBytes = (sampleBytes[encoding] ?? 0) * readUint32(prefix, 20);
  if (frameBytes === 0) return noFacts();
  if (length === null) return wholeFacts(file);
  const frames = Math.floor(Math.min(dataBytes, length - dataAt) / frameBytes);
  return createFacts(frames / readUint32(prefix, 16));
}

const auPlan = createSoundPlan(planFacts);

export const au = {
  type: "audio/basic",
  kind: "audio",
  matches: isAu,
  aliases: ["audio/au", "audio/x-au", "audio/snd"],
  plan: auPlan,
  decoding: { ...audio, reader: "headers" },
} as const satisfies Row;
