import { hasAt, readUint16LE, readUint32LE } from "./bytes.ts";
import type { Row } from "./format.ts";
import type { FactsStep, ReceivedFile } from "./plan.ts";
import { createSoundPlan, createFacts, needFacts } from "./header-facts.ts";
import { noFacts } from "./received.ts";
import { audio } from "./tracks.ts";

// WavPack 4 and 5 file format: the versions of a block.
const versions = { least: 0x402, most: 0x410 };
const blockHeaderBytes = 32;
// By four bits of the flags; 15: the rate stands elsewhere.
const rates = [6, 8, 9.6, 11.025, 12, 16, 22.05, 24, 32, 44.1, 48, 64, 88.2, 96, 192].map(
  (kilohertz) => kilohertz * 1000,
);
const isDsdFlag = 0x80000000;
const unknownSamples = 0xffffffff;

function isWavPack(head: Uint8Array): boolean {
  const version = readUint16LE(head, 8);
  return hasAt(head, 0, "wvpk") && version >= versions.least && version <= versions.most;
}

/** The header of the first block has the samples of the file: 32 bits, then the eight above. */
function planFacts(file: ReceivedFile): FactsStep {
  const { prefix } = file;
  if (prefix.length < blockHeaderBytes) return needFacts(file, blockHeaderBytes);
  const [samples, flags] = [readUint32LE(prefix, 12), readUint32LE(prefix, 24)];
  const rate = rates[(flags >>> 23) & 15];
  // The samples and the rate of DSD count other units.
  if (samples === unknownSamples || !rate || flags >= isDsdFlag) return noFacts();
  return createFacts(((prefix[11] ?? 0) * 2 ** 32 + samples) / rate);
}

const wavpackPlan = createSoundPlan(planFacts);

export const wavpack = {
  type: "audio/wavpack",
  kind: "audio",
  matches: isWavPack,
  aliases: ["audio/x-wavpack"],
  plan: wavpackPlan,
  decoding: { ...audio, reader: "headers" },
} as const satisfies Row;
