import { hasAt, readUint16LE, readUint32LE } from "./bytes.ts";
import type { Row } from "./format.ts";
import type { FactsStep, ReceivedFile } from "./plan.ts";
import { createSoundPlan, createFacts, needFacts } from "./header-facts.ts";
import { noFacts } from "./received.ts";
import { audio } from "./tracks.ts";

// Monkey's Audio SDK, MACLib.h: the version times 1000. `MACF` has floating-point samples.
const versions = { least: 3000, most: 4999 };
// From this version on a descriptor precedes the header, and the header has the blocks of a frame.
const describedVersion = 3980;
// The descriptor, the header, and what encoders may add to the descriptor.
const headerBytes = 256;
const levels = { extraHigh: 4000 };

function isMonkeysAudio(head: Uint8Array): boolean {
  if (!hasAt(head, 0, "MAC ") && !hasAt(head, 0, "MACF")) return false;
  const version = readUint16LE(head, 4);
  return version >= versions.least && version <= versions.most;
}

/** MACLib.h, APE_DESCRIPTOR and APE_HEADER; APE_HEADER_OLD: the last of the frames has fewer blocks, one a sample. */
function planFacts(file: ReceivedFile): FactsStep {
  if (file.prefix.length < headerBytes && file.prefix.length !== file.length) {
    return needFacts(file, headerBytes);
  }
  const header = file.prefix.subarray(0, headerBytes);
  const version = readUint16LE(header, 4);
  const isDescribed = version >= describedVersion;
  const at = isDescribed ? readUint32LE(header, 8) : 0;
  const [frames, lastBlocks, rate] = (isDescribed ? [at + 12, at + 8, at + 20] : [24, 28, 12]).map((offset) =>
    readUint32LE(header, offset),
  ) as [number, number, number];
  const blocks = isDescribed ? readUint32LE(header, at + 4) : oldFrameBlocks(version, readUint16LE(header, 6));
  return frames > 0 && rate > 0 ? createFacts(((frames - 1) * blocks + lastBlocks) / rate) : noFacts();
}

/** Blocks of a frame by version and compression level (MACLib, APEHeader.cpp). */
function oldFrameBlocks(version: number, level: number): number {
  if (version >= 3950) return 73_728 * 4;
  return version >= 3900 || (version >= 3800 && level === levels.extraHigh) ? 73_728 : 9216;
}

const apePlan = createSoundPlan(planFacts);

export const ape = {
  type: "audio/ape",
  kind: "audio",
  matches: isMonkeysAudio,
  aliases: ["audio/x-ape", "audio/x-monkeys-audio"],
  plan: apePlan,
  decoding: { ...audio, reader: "headers" },
} as const satisfies Row;
