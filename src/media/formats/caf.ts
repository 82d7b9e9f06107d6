import { all, at, createWorkBudget, readText, readUint32 } from "./bytes.ts";
import type { Row } from "./format.ts";
import type { FactsStep, ReceivedFile } from "./plan.ts";
import { createSoundPlan, createFacts, needFacts } from "./header-facts.ts";
import { needNextHeader, noFacts, readRange, wholeFacts } from "./received.ts";
import { audio } from "./tracks.ts";

const fileHeaderBytes = 8;
const chunkHeaderBytes = 12;
// Of the packet table: the numbers of its packets and of its valid frames.
const packetTableBytes = 24;
// The content of the data chunk begins with the number of its edits.
const editCountBytes = 4;
// Larger than any file: also the length of a data chunk that is still being written, and the last one.
const maxChunkBytes = 2 ** 48;

/** The audio description; zeros if the packets differ in length or in frames. */
interface Description {
  readonly rate: number;
  readonly packetBytes: number;
  readonly packetFrames: number;
}

/** The first chunk, in the first bytes of the file. */
function readDescription(prefix: Uint8Array): Description | null {
  const start = fileHeaderBytes + chunkHeaderBytes;
  if (prefix.length < start + 32) return null;
  const rate = new DataView(prefix.buffer, prefix.byteOffset).getFloat64(start);
  return { rate, packetBytes: readUint32(prefix, start + 16), packetFrames: readUint32(prefix, start + 20) };
}

/** 64 bits, big-endian; inexact from 2^53 on. */
function readLength(bytes: Uint8Array, at: number): number {
  return readUint32(bytes, at) * 2 ** 32 + readUint32(bytes, at + 4);
}

/** The frames of equal packets are as long as the data chunk; those of others are counted in the packet table. */
function planFacts(file: ReceivedFile): FactsStep {
  const description = readDescription(file.prefix);
  if (!description) return needFacts(file, fileHeaderBytes + chunkHeaderBytes + 32);
  const { rate, packetBytes, packetFrames } = description;
  const hasEqualPackets = packetBytes > 0 && packetFrames > 0;
  const work = createWorkBudget();
  for (let at = fileHeaderBytes; work.step();) {
    const start = at + chunkHeaderBytes;
    const header = readRange(file, at, start);
    if (!header) return noFacts(needNextHeader(file, at, chunkHeaderBytes + packetTableBytes));
    const [type, bytes] = [readText(header, 0, 4), readLength(header, 4)];
    if (type === "data" && hasEqualPackets) {
      if (file.length === null) return wholeFacts(file);
      const dataBytes = Math.min(bytes, file.length - start) - editCountBytes;
      return createFacts((Math.floor(dataBytes / packetBytes) * packetFrames) / rate);
    }
    if (type === "pakt" && !hasEqualPackets) {
      const table = readRange(file, start, start + packetTableBytes);
      if (!table) return noFacts(needNextHeader(file, start, packetTableBytes));
      return createFacts((readLength(table, 8) || readLength(table, 0) * packetFrames) / rate);
    }
    if (bytes > maxChunkBytes) return noFacts();
    at = start + bytes;
  }
  return noFacts();
}

const cafPlan = createSoundPlan(planFacts);

export const caf = {
  type: "audio/x-caf",
  kind: "audio",
  // Apple, Core Audio Format Specification: version 1, no flags; the audio description is the first chunk
  matches: all(at(0, "caff\0\x01\0\0"), at(8, "desc\0\0\0\0\0\0\0\x20")),
  aliases: ["audio/caf", "audio/x-caff"],
  plan: cafPlan,
  decoding: { ...audio, reader: "headers" },
} as const satisfies Row;
