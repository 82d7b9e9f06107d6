import type { Excerpt, FactsStep, Need, PlannedFacts, PreviewStep, ReceivedFile } from "./plan.ts";

// What all read plans share: positions in a file of which only some bytes have arrived, and the steps of a plan.

// Growth of the prefix before a file is parsed again, where the position of the next fact is unknown: all parses of a
// file together cost at most five times the last one.
const growthFactor = 1.25;
// The first bytes of a connection come in about as many (RFC 6928, initial window), and most headers are shorter.
const leastGrowthBytes = 16 * 1024;
// A gap that costs less to read than a request of its own: 100 ms at 20 Mbit/s.
const maxGapBytes = 256 * 1024;

export function isWhole({ prefix, length }: ReceivedFile): boolean {
  return length !== null && prefix.length >= length;
}

/** Needs the prefix up to `end`, and at least a quarter more than has arrived. For ends that are found one by one. */
export function needMore({ prefix, length }: ReceivedFile, end = 0): Need {
  if (length !== null && end > length) return "whole";
  const grown = Math.max(end, Math.ceil(prefix.length * growthFactor), prefix.length + leastGrowthBytes);
  return { prefix: Math.min(grown, length ?? Infinity) };
}

/** Needs exactly the prefix up to `end`, which must be behind the bytes that have arrived. */
export function needPrefix({ length }: ReceivedFile, end: number): Need {
  return length !== null && end > length ? "whole" : { prefix: end };
}

/** Needs the missing bytes of a range: as a range, or as a prefix if the gap before it is small or smaller than it. */
export function needRange(file: ReceivedFile, from: number, to: number): Need {
  const { prefix, length } = file;
  if (length !== null && to > length) return "whole";
  const missing = firstMissing(file, from);
  const gapBytes = missing - prefix.length;
  const isNear = gapBytes === 0 || (gapBytes <= Math.max(maxGapBytes, to - missing) && !file.isStalled);
  if (isNear) return needPrefix(file, to);
  return { from: missing, to };
}

/** The first position from `from` on that has not arrived. */
function firstMissing({ prefix, parts }: ReceivedFile, from: number): number {
  let at = Math.max(from, prefix.length);
  for (const part of parts) if (part.at <= at) at = Math.max(at, part.at + part.bytes.length);
  return at;
}

export function hasRange(file: ReceivedFile, from: number, to: number): boolean {
  return to <= file.prefix.length || firstMissing(file, from) >= to;
}

/** The bytes of a range, copied only if it spans several parts; null if some have not arrived. */
export function readRange(file: ReceivedFile, from: number, to: number): Uint8Array | null {
  const { prefix, parts } = file;
  if (to <= prefix.length) return prefix.subarray(from, to);
  if (!hasRange(file, from, to)) return null;
  const joined = new Uint8Array(to - from);
  for (const { at, bytes } of [{ at: 0, bytes: prefix }, ...parts]) {
    const [start, end] = [Math.max(from, at), Math.min(to, at + bytes.length)];
    if (start < end) joined.set(bytes.subarray(start - at, end - at), start - from);
  }
  return joined;
}

/** All facts that the format has are known. */
export function knownFacts(known: PlannedFacts): FactsStep {
  return { known, measurable: null, need: null };
}

/** Facts are missing: more bytes may have them. A worker measures the whole file if the plan found none in it. */
export function missingFacts(file: ReceivedFile, known: PlannedFacts, need: Need): FactsStep {
  if (!isWhole(file)) return { known, measurable: null, need };
  return { known, measurable: file.prefix.length > 0 ? file.prefix : null, need: null };
}

export function foundPreview(bytes: Uint8Array): PreviewStep {
  return { excerpt: { bytes, accuracy: "exact" }, need: null };
}

/** More bytes are needed. The whole file is its own excerpt. */
export function missingPreview(file: ReceivedFile, need: Need, sooner: Excerpt | null = null): PreviewStep {
  if (!isWhole(file)) return { excerpt: sooner, need };
  return file.prefix.length > 0 ? foundPreview(file.prefix) : { excerpt: null, need: null };
}
