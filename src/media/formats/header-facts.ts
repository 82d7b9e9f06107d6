import { type Size, createDurationMs } from "../raster.ts";
import type { FactsStep, PreviewStep, ReadPlan, ReceivedFile } from "./plan.ts";
import { maxMediaBytes } from "./clip.ts";
import { needNextHeader, needPrefix, noFacts, noPreview } from "./received.ts";

// What the plans of formats with their facts in a header share.

/** A duration and a size, as far as they are known and valid. A duration of 0 is that of a file still being written. */
export function createFacts(seconds: number | null, size: Size | null = null): FactsStep {
  const durationMs = seconds !== null && seconds > 0 ? createDurationMs(seconds * 1000) : null;
  return { known: { ...size, ...(durationMs !== null && { durationMs }) }, measurable: null, need: null };
}

/** Facts that need the first bytes up to an offset, none if the file ends before them. */
export function needFacts(file: ReceivedFile, end: number, { known }: FactsStep = noFacts()): FactsStep {
  return { known, measurable: null, need: needNextHeader(file, 0, end) };
}

/** The first bytes of a video, for ffmpeg to decode. */
export function previewBeginning(file: ReceivedFile): PreviewStep {
  const end = Math.min(maxMediaBytes, file.length ?? Infinity);
  if (file.prefix.length < end) return { excerpt: null, need: needPrefix(file, end) };
  return { excerpt: { bytes: file.prefix.subarray(0, end), accuracy: "exact" }, need: null };
}

/** The plan of a sound without a cover. */
export function createSoundPlan(facts: ReadPlan["facts"]): ReadPlan {
  return { facts, preview: () => noPreview() };
}

/** The plan of a video whose first frame is decoded from the beginning of the file. */
export function createVideoPlan(facts: ReadPlan["facts"]): ReadPlan {
  return { facts, preview: previewBeginning };
}
