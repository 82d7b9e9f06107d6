import type { Excerpt, FactsStep, Need, PlannedFacts, PreviewStep, ReceivedFile } from "./plan.ts";

// Helpers of the read plans: positions in a file of which only some bytes have arrived, and the steps of a plan.

// Each call of a plan parses from the start again. The prefix grows by a quarter in between, so that all parses of a file
// together cost at most five times the last one.
const growthFactor = 1.25;
// The first bytes of a connection come in about as many (RFC 6928, initial window), and most headers are shorter.
const leastGrowthBytes = 16 * 1024;
// A gap that takes less time to read than a range request, which has a connection of its own: 100 ms at 20 Mbit/s.
const maxGapBytes = 256 * 1024;
// Each part is a request to the origin. Cameras and encoders write fewer pieces; a hostile file has any number.
const maxParts = 8;

/** Whether all bytes of the file have arrived in the prefix. */
export function isWhole({ prefix, length }: ReceivedFile): boolean {
  return length !== null && prefix.length >= length;
}

/** Bounds an offset that is a guess by the end of the file. */
export function clampToFile({ length }: ReceivedFile, offset: number): number {
  return Math.min(offset, length ?? Infinity);
}

/** Finds the first offset from `from` on whose byte has not arrived. */
function findMissing({ prefix, parts }: ReceivedFile, from: number): number {
  let missing = Math.max(from, prefix.length);
  for (const { at, bytes } of parts) if (at <= missing) missing = Math.max(missing, at + bytes.length);
  return missing;
}

/** Finds the end of the last byte before `to` that has not arrived. */
function findMissingEnd({ parts }: ReceivedFile, to: number): number {
  let end = to;
  for (const { at, bytes } of parts.toReversed()) if (at < end && end <= at + bytes.length) end = at;
  return end;
}

export function hasRange(file: ReceivedFile, from: number, to: number): boolean {
  return findMissing(file, from) >= to;
}

/** The bytes of a range, copied only if it spans several parts; null if some have not arrived. */
export function readRange(file: ReceivedFile, from: number, to: number): Uint8Array | null {
  if (to < from || !hasRange(file, from, to)) return null;
  if (to <= file.prefix.length) return file.prefix.subarray(from, to);
  const pieces = [{ at: 0, bytes: file.prefix }, ...file.parts];
  const one = pieces.find(({ at, bytes }) => at <= from && to <= at + bytes.length);
  if (one) return one.bytes.subarray(from - one.at, to - one.at);
  const joined = new Uint8Array(to - from);
  for (const { at, bytes } of pieces) {
    const [start, end] = [Math.max(from, at), Math.min(to, at + bytes.length)];
    if (start < end) joined.set(bytes.subarray(start - at, end - at), start - from);
  }
  return joined;
}

// A need never goes past the end of the file, even if a header claims more bytes: a cut file is read to its end. It is null
// if the bytes have arrived.

/** Needs exactly the prefix up to an offset. For the end of bytes that are enough. */
export function needPrefix(file: ReceivedFile, end: number): Need | null {
  const wanted = clampToFile(file, end);
  return wanted > file.prefix.length ? { prefix: wanted } : null;
}

/** Needs the prefix up to `end`, and at least a quarter more than has arrived. For ends that are found one by one. */
export function needMore(file: ReceivedFile, end = 0): Need | null {
  const { length } = file.prefix;
  return needPrefix(file, Math.max(end, Math.ceil(length * growthFactor), length + leastGrowthBytes));
}

/** Needs the missing bytes of a range: as a range, or as a prefix if they are near or the length is unknown. */
export function needRange(file: ReceivedFile, from: number, to: number): Need | null {
  const missing = findMissing(file, from);
  const end = findMissingEnd(file, clampToFile(file, to));
  if (missing >= end) return null;
  const gapBytes = missing - file.prefix.length;
  const isNear = gapBytes === 0 || (gapBytes <= maxGapBytes && !file.isStalled);
  // Without a declared length no range can be checked to be of the same file.
  if (isNear || file.length === null) return needPrefix(file, end);
  return file.parts.length < maxParts ? { from: missing, to: end } : needWhole(file);
}

/** Needs a header at an offset and what mostly follows it, as {@link needRange}. For headers that are found one by one. */
export function needNextHeader(file: ReceivedFile, from: number, guessBytes: number): Need | null {
  const need = needRange(file, from, from + guessBytes);
  return need !== null && need !== "whole" && "prefix" in need ? needMore(file, need.prefix) : need;
}

export function needWhole(file: ReceivedFile): Need | null {
  return isWhole(file) ? null : "whole";
}

/** All facts that the format has are known. */
export function knownFacts(known: PlannedFacts): FactsStep {
  return { known, measurable: null, need: null };
}

export function durationFact(durationMs: number | null): PlannedFacts {
  return durationMs === null ? {} : { durationMs };
}

/** The bytes so far have no fact. */
export function noFacts(need: Need | null = null): FactsStep {
  return { known: {}, measurable: null, need };
}

/** A worker measures these bytes, which are a file with the same facts. */
export function measurableFacts(measurable: Uint8Array): FactsStep {
  return { known: {}, measurable, need: null };
}

/** All bytes have to be read for the facts, by the decoder of the whole file. */
export function wholeFacts(file: ReceivedFile): FactsStep {
  return noFacts(needWhole(file));
}

/** Facts are missing: more bytes may have them, all if `need` is null. A worker measures the whole file. */
export function missingFacts(file: ReceivedFile, known: PlannedFacts, need: Need | null): FactsStep {
  if (!isWhole(file)) return { known, measurable: null, need: need ?? "whole" };
  return { known, measurable: file.prefix.length > 0 ? file.prefix : null, need: null };
}

export function foundPreview(bytes: Uint8Array): PreviewStep {
  return { excerpt: { bytes, accuracy: "exact" }, need: null };
}

/** The bytes so far have no preview. */
export function noPreview(need: Need | null = null): PreviewStep {
  return { excerpt: null, need };
}

/** More bytes are needed, all if `need` is null. The whole file is its own excerpt. */
export function missingPreview(file: ReceivedFile, need: Need | null, sooner: Excerpt | null = null): PreviewStep {
  if (!isWhole(file)) return { excerpt: sooner, need: need ?? "whole" };
  return file.prefix.length > 0 ? foundPreview(file.prefix) : noPreview();
}

/** The preview takes all bytes. */
export function wholePreview(file: ReceivedFile): PreviewStep {
  return missingPreview(file, "whole");
}
