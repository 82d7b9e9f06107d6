import type { WorkBudget } from "./bytes.ts";
import type { FactsStep, Need, PreviewStep, ReadPlan, ReceivedFile } from "./plan.ts";

// Each call parses from the start again. With steps that grow by a quarter, all calls together stay linear in the file.
const minStepBytes = 16 * 1024;
const minStepShare = 0.25;
// A gap that is cheaper to read through than to skip by a range request, which takes a connection of its own.
const maxGapBytes = 256 * 1024;
// A file whose parts are further apart is not one that a camera or an encoder has written.
const maxParts = 8;

/** Whether all bytes of the file have arrived in the prefix. */
export function isComplete({ prefix, length }: ReceivedFile): boolean {
  return length !== null && prefix.length >= length;
}

/** Finds the first offset from `from` on whose byte has not arrived. */
export function findMissing({ prefix, parts }: ReceivedFile, from: number): number {
  let at = from < prefix.length ? prefix.length : from;
  for (const { at: start, bytes } of parts) if (start <= at && at < start + bytes.length) at = start + bytes.length;
  return at;
}

/** The bytes from one offset to another, joined if they lie in several parts; null if some have not arrived. */
export function bytesBetween(file: ReceivedFile, from: number, to: number): Uint8Array | null {
  if (!(to >= from) || findMissing(file, from) < to) return null;
  const { prefix, parts } = file;
  if (to <= prefix.length) return prefix.subarray(from, to);
  const pieces = from < prefix.length ? [prefix.subarray(from)] : [];
  let at = Math.max(from, prefix.length);
  for (const { at: start, bytes } of parts) {
    if (at >= to || start > at || start + bytes.length <= at) continue;
    pieces.push(bytes.subarray(at - start, to - start));
    at = Math.min(to, start + bytes.length);
  }
  const [first] = pieces;
  return pieces.length === 1 && first ? first : Buffer.concat(pieces);
}

/** Needs the prefix up to an offset, at least; null if there are no more bytes. */
export function needPrefix({ prefix, length }: ReceivedFile, to: number): Need | null {
  const next = prefix.length + Math.max(minStepBytes, prefix.length * minStepShare);
  const wanted = Math.min(Math.ceil(Math.max(to, next)), length ?? Infinity);
  return wanted > prefix.length ? { prefix: wanted } : null;
}

/** Needs the bytes between two offsets: by the prefix if they are near, else by a range; null if they are there. */
export function needBetween(file: ReceivedFile, from: number, to: number): Need | null {
  const missing = findMissing(file, from);
  const end = Math.min(to, file.length ?? Infinity);
  if (missing >= end) return null;
  const isNear = missing === file.prefix.length || (missing <= file.prefix.length + maxGapBytes && !file.isStalled);
  if (file.length === null || isNear) return needPrefix(file, end);
  return file.parts.length >= maxParts ? needWhole(file) : { from: missing, to: end };
}

/** Needs the whole file; null if it is there. */
export function needWhole(file: ReceivedFile): Need | null {
  return isComplete(file) ? null : "whole";
}

/** A work budget of so many steps, for lists that are longer than those of other headers. */
export function createSteps(steps: number): WorkBudget {
  let left = steps;
  return { step: () => left-- > 0 };
}

/** No facts besides those that a decoder finds in the whole file. */
export function wholeFacts(file: ReceivedFile): FactsStep {
  return { known: {}, measurable: null, need: needWhole(file) };
}

export const noPreview: PreviewStep = { excerpt: null, need: null };

/** A format whose facts lie in all of its bytes, and which has no preview. */
export const wholePlan: ReadPlan = { facts: wholeFacts, preview: () => noPreview };
