import { createWorkBudget, hasAt, readUint32LE } from "./bytes.ts";
import type { Row } from "./format.ts";
import type { FactsStep, ReceivedFile } from "./plan.ts";
import { createSoundPlan, createFacts, needFacts } from "./header-facts.ts";
import { noFacts } from "./received.ts";
import { audio } from "./tracks.ts";

const streamVersion7 = 7;
const headerBytes7 = 24;
const frameSamples = 1152;
// Of a file that does not say how many samples its last frame has (libmpcdec).
const decoderDelaySamples = 481;
const rates = [44_100, 48_000, 37_800, 32_000];
const signatureBytes = 4;
// The stream header, with numbers of at most nine bytes, is shorter.
const streamHeaderBytes = 64;
// Other packets may precede the stream header; none is long.
const maxHeaderBytes = 64 * 1024;

/** musepack.net: stream version 7 (its low nibble), or version 8, which begins with a packet: a key of two letters. */
function isMusepack(head: Uint8Array): boolean {
  if (hasAt(head, 0, "MP+")) return ((head[3] ?? 0) & 15) === streamVersion7;
  const isLetter = (byte = 0) => byte >= 0x41 && byte <= 0x5a;
  return hasAt(head, 0, "MPCK") && isLetter(head[4]) && isLetter(head[5]);
}

function planFacts(file: ReceivedFile): FactsStep {
  if (hasAt(file.prefix, 0, "MPCK")) return findHeader8(file);
  if (file.prefix.length < headerBytes7) return needFacts(file, headerBytes7);
  return readHeader7(file.prefix);
}

/** libmpcdec, streaminfo_read_header_sv7: words of 32 bits, little-endian, with fields from the highest bit on. */
function readHeader7(prefix: Uint8Array): FactsStep {
  const [frames, flags, end] = [4, 8, 20].map((offset) => readUint32LE(prefix, offset)) as [number, number, number]; // prettier-ignore
  const lastSamples = (end >>> 20) & 0x7ff || frameSamples;
  const missing = end >>> 31 === 1 ? frameSamples - lastSamples : decoderDelaySamples;
  return createFacts((frames * frameSamples - missing) / (rates[(flags >>> 16) & 3] ?? Infinity));
}

/** Stream version 8: packets of a key, a length that counts the whole packet, and a content. */
function findHeader8(file: ReceivedFile): FactsStep {
  const { prefix } = file;
  const work = createWorkBudget();
  for (let at = signatureBytes; at < maxHeaderBytes && work.step();) {
    const isThere = prefix.length >= at + streamHeaderBytes || prefix.length === file.length;
    if (!isThere) return needFacts(file, at + streamHeaderBytes);
    const { value: bytes, end: start } = readVariable(prefix, at + 2);
    if (hasAt(prefix, at, "SH")) return readHeader8(prefix, start);
    if (bytes < 3) return noFacts();
    at += bytes;
  }
  return noFacts();
}

/** A checksum and a version; the samples, and the silence before them; the rate in three bits. */
function readHeader8(prefix: Uint8Array, start: number): FactsStep {
  const { value: samples, end } = readVariable(prefix, start + 5);
  const { value: silence, end: codesAt } = readVariable(prefix, end);
  const rate = rates[(prefix[codesAt] ?? 0xff) >> 5];
  return rate ? createFacts((samples - silence) / rate) : noFacts();
}

/** A number of seven bits a byte, of which all but the last have the highest bit. */
function readVariable(bytes: Uint8Array, at: number): { readonly value: number; readonly end: number } {
  let value = 0;
  for (let end = at; end < at + 9; end += 1) {
    const byte = bytes[end] ?? 0;
    value = value * 128 + (byte & 127);
    if (byte < 128) return { value, end: end + 1 };
  }
  return { value: 0, end: at };
}

const musepackPlan = createSoundPlan(planFacts);

export const musepack = {
  type: "audio/x-musepack",
  kind: "audio",
  matches: isMusepack,
  aliases: ["audio/musepack", "audio/x-mpc", "application/musepack"],
  plan: musepackPlan,
  decoding: { ...audio, reader: "headers" },
} as const satisfies Row;
