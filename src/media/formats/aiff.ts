import { createDurationMs } from "../raster.ts";
import { all, any, at, createWorkBudget, readText, readUint16, readUint32 } from "./bytes.ts";
import type { Row } from "./format.ts";
import type { FactsStep, ReceivedFile } from "./plan.ts";
import {
  durationFact,
  knownFacts,
  needNextHeader,
  needRange,
  noFacts,
  noPreview,
  readRange,
  wholeFacts,
} from "./received.ts";
import { chunkHeaderBytes, formHeaderBytes } from "./riff.ts";
import { audio } from "./tracks.ts";

const maxCommonBytes = 1024;
// Read with the header of a chunk that has not arrived, so that many small chunks take few steps.
const guessBytes = 16 * 1024;
const commonBytes = 18; // without the coding of AIFC
// Offset and block size in front of the samples.
const soundHeaderBytes = 8;
const allOnes = 0xffffffff;

/** Bytes of a packet of one channel, and its samples, by the coding: most counts in headers are of packets. */
const packets: Readonly<Record<string, readonly [bytes: number, samples: number]>> = {
  ima4: [34, 64],
  MAC3: [2, 6],
  MAC6: [1, 6],
  "GSM ": [33, 160],
  agsm: [33, 160],
  G722: [1, 2],
  ulaw: [1, 1],
  ULAW: [1, 1],
  alaw: [1, 1],
  ALAW: [1, 1],
};

/** The common chunk (Apple, Audio Interchange File Format AIFF-C, 3.0). */
interface Common {
  readonly channels: number;
  /** Samples, or packets, of each channel. */
  readonly count: number;
  readonly bits: number;
  readonly rate: number;
  /** Four letters of AIFC; empty in AIFF. */
  readonly coding: string;
}

function readCommon(bytes: Uint8Array): Common {
  return {
    channels: readUint16(bytes, 0),
    count: readUint32(bytes, 2),
    bits: readUint16(bytes, 6),
    rate: readExtended(bytes, 8),
    coding: readText(bytes, commonBytes, 4),
  };
}

/** Reads an IEEE 754 number of 80 bits: an exponent, then a mantissa whose first bit is before the point. */
function readExtended(bytes: Uint8Array, at: number): number {
  const exponent = (readUint16(bytes, at) & 0x7fff) - 16383;
  return (readUint32(bytes, at + 2) + readUint32(bytes, at + 6) / 2 ** 32) * 2 ** (exponent - 31);
}

/** Whether the count of the common chunk is one of samples, so that the length of the samples is not needed. */
function hasSampleCount({ coding, count }: Common): boolean {
  return count > 0 && (packets[coding]?.[1] ?? 1) === 1;
}

/** The number of samples of a channel: as counted, if that fits the length of the sound, else by the length. */
function countSamples(common: Common, soundBytes: number): number {
  const { coding, channels, bits, count } = common;
  const [bytes, samples] = packets[coding] ?? [Math.ceil(bits / 8), 1];
  const most = Math.floor(soundBytes / (bytes * channels)) * samples;
  const isPlausible = count <= most && count > most - samples;
  return isPlausible ? count : most;
}

/** The common chunk has the number of samples, but of packets in some codings. It may stand behind the sound. */
function planFacts(file: ReceivedFile): FactsStep {
  const work = createWorkBudget();
  let common: Common | null = null;
  let soundBytes: number | null = null;
  for (let at = formHeaderBytes; work.step() && at < (file.length ?? Infinity);) {
    const start = at + chunkHeaderBytes;
    const header = readRange(file, at, start);
    if (!header) return noFacts(needNextHeader(file, at, guessBytes));
    const type = readText(header, 0, 4);
    const bytes = readUint32(header, 4);
    if (type === "COMM") {
      if (bytes > maxCommonBytes) break;
      const content = readRange(file, start, start + bytes);
      if (!content) return noFacts(needRange(file, start, start + bytes));
      common = readCommon(content);
    }
    if (type === "SSND") {
      const isOpen = bytes === allOnes || bytes <= soundHeaderBytes; // a stream, or a recording that was not finished
      if (isOpen && file.length === null) return wholeFacts(file);
      const contentBytes = isOpen ? (file.length ?? 0) - start : bytes;
      soundBytes = Math.max(0, Math.min(contentBytes, (file.length ?? Infinity) - start) - soundHeaderBytes);
      if (isOpen && !common) break;
    }
    if (common && (soundBytes !== null || hasSampleCount(common))) {
      const samples = hasSampleCount(common) ? common.count : countSamples(common, soundBytes ?? 0);
      return knownFacts(durationFact(createDurationMs((samples / common.rate) * 1000)));
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
