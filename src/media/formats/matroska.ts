import { createDurationMs } from "../raster.ts";
import { memoized } from "./bytes.ts";
import { type ExcerptStep, clipSeconds, maxMediaBytes, previewInSteps, usualSeconds } from "./clip.ts";
import { readElement } from "./ebml.ts";
import type { Row } from "./format.ts";
import { findEndTime, findStartTime, readCluster } from "./matroska-clusters.ts";
import {
  type MatroskaHead,
  createElementSteps,
  ids,
  maxElementHeaderBytes,
  readMatroskaHead,
  readMatroskaType,
} from "./matroska-head.ts";
import type { FactsStep, Need, PreviewStep, ReadPlan, ReceivedFile } from "./plan.ts";
import {
  clampToFile,
  durationFact,
  foundPreview,
  isWhole,
  measurableFacts,
  needMore,
  needRange,
  needWhole,
  noFacts,
  noPreview,
  readRange,
  wholePreview,
} from "./received.ts";
import { audio, video } from "./tracks.ts";

const matroskaIn = memoized(readMatroskaType);

function isMatroska(head: Uint8Array, docType: string, tracks: "audio" | "any"): boolean {
  const file = matroskaIn(head);
  if (file?.docType !== docType) return false;
  return tracks === "any" || (file.hasAudio && !file.hasVideo);
}

// Attached fonts and covers may precede the first cluster.
const maxHeadBytes = 16 * 1024 ** 2;
// The first blocks of all tracks are at the beginning of the first cluster.
const startBytes = 64 * 1024;
// A browser's recording has clusters of up to half a minute. Most are much shorter: a short tail first.
const tailsBytes = [256 * 1024, 2 * 1024 ** 2, 8 * 1024 ** 2];
const nanosecondsPerMs = 1e6;

function readHead(file: ReceivedFile): MatroskaHead | { readonly need: Need | null } {
  const head = readMatroskaHead(file.prefix);
  if (!head) return { need: null };
  if (!("missing" in head)) return head;
  return { need: head.missing > maxHeadBytes ? needWhole(file) : needMore(file, head.missing) };
}

/** Duration of a file whose head does not give it, from its first and last blocks. */
function readRecordedDurationMs(
  file: ReceivedFile,
  head: MatroskaHead,
): { readonly durationMs: number | null; readonly need: Need | null } {
  const { length } = file;
  if (length === null) return { durationMs: null, need: needWhole(file) };
  const startEnd = Math.min(length, head.end + startBytes);
  const first = readRange(file, head.end, startEnd);
  if (!first) return { durationMs: null, need: needMore(file, startEnd) };
  for (const tailBytes of tailsBytes) {
    const from = Math.max(head.end, length - tailBytes);
    const tail = readRange(file, from, length);
    if (!tail) return { durationMs: null, need: needRange(file, from, length) };
    const end = findEndTime(tail, head);
    const isLongest = tailBytes === tailsBytes.at(-1) || from === head.end;
    if (!end?.isSure && !isLongest) continue;
    if (!end) break;
    const units = Math.round(end.time) - findStartTime(first, head);
    const durationMs = units > 0 ? createDurationMs((units * head.scaleNanoseconds) / nanosecondsPerMs) : null;
    return { durationMs, need: null };
  }
  return { durationMs: null, need: needWhole(file) };
}

function planFacts(file: ReceivedFile): FactsStep {
  const head = readHead(file);
  if ("need" in head) return noFacts(head.need);
  const measurable = file.prefix.subarray(0, head.end);
  if (head.hasDuration) return measurableFacts(measurable);
  const { durationMs, need } = readRecordedDurationMs(file, head);
  return { known: durationFact(durationMs), measurable, need };
}

function planPreview(file: ReceivedFile): PreviewStep {
  const head = readHead(file);
  if ("need" in head) return noPreview(head.need);
  if ([...head.tracks.values()].some(({ isVideo }) => isVideo)) {
    return previewInSteps(cutAt(file, head, usualSeconds), cutAt(file, head, clipSeconds));
  }
  if (head.hasAttachments) return foundPreview(file.prefix.subarray(0, head.end));
  return head.namesAttachments ? wholePreview(file) : noPreview();
}

/** Cuts the file behind the blocks of its first seconds, at most {@link maxMediaBytes} behind its head. */
function cutAt(file: ReceivedFile, head: MatroskaHead, seconds: number): ExcerptStep {
  const { prefix } = file;
  const limit = clampToFile(file, head.end + maxMediaBytes);
  const units = (seconds * 1e9) / head.scaleNanoseconds;
  const work = createElementSteps();
  let first: number | null = null;
  let at = head.end;
  const cut = (cluster: number | null, end: number): ExcerptStep => ({
    make: () => cutCluster(prefix, cluster, end),
    need: end > prefix.length ? needMore(file, end) : null,
    end,
  });
  while (at < limit && work.step()) {
    const element = readElement(prefix, at);
    if (!element) return missingAt(at);
    const cluster = element.id === ids.cluster ? readCluster(prefix, at, work) : null;
    for (const block of cluster?.blocks ?? []) {
      first ??= block.time;
      if (block.time - first > units || block.end > limit) return cut(at, block.at);
    }
    if (cluster && !cluster.isWhole) return missingAt(cluster.end);
    at = cluster ? cluster.end : element.end;
  }
  return cut(null, limit);

  /** More bytes are needed behind an element, unless these are all: then the file ends there. */
  function missingAt(end: number): ExcerptStep {
    if (isWhole(file) || prefix.length >= limit) return cut(at, end);
    return { make: () => null, need: needMore(file, Math.min(end + maxElementHeaderBytes, limit)), end: null };
  }
}

/** Shortens a cluster to where the excerpt ends: a reader that expects more of it would drop all of it. */
function cutCluster(prefix: Uint8Array, at: number | null, end: number): Uint8Array {
  const element = at === null ? null : readElement(prefix, at);
  if (!element || element.end <= end) return prefix.subarray(0, end);
  const bytes = Uint8Array.from(prefix.subarray(0, end));
  const sizeAt = element.at + 4; // a cluster's identifier has four bytes
  const sizeBytes = element.start - sizeAt;
  const size = end - element.start;
  if (size >= 2 ** (7 * sizeBytes) - 1) return bytes;
  for (let index = 0; index < sizeBytes; index += 1) {
    bytes[sizeAt + index] = Math.floor(size / 2 ** (8 * (sizeBytes - 1 - index))) % 256;
  }
  bytes[sizeAt] = (bytes[sizeAt] ?? 0) | (0x80 >> (sizeBytes - 1));
  return bytes;
}

const plan: ReadPlan = { facts: planFacts, preview: planPreview };

export const webmAudio = {
  type: "audio/webm",
  kind: "audio",
  matches: (head) => isMatroska(head, "webm", "audio"), // RFC 9559; webmproject.org, container guidelines
  aliases: ["video/webm"],
  plan,
  decoding: audio,
} as const satisfies Row;

export const webm = {
  type: "video/webm",
  kind: "video",
  matches: (head) => isMatroska(head, "webm", "any"),
  plan,
  decoding: video,
} as const satisfies Row;

export const matroskaAudio = {
  type: "audio/x-matroska",
  kind: "audio",
  matches: (head) => isMatroska(head, "matroska", "audio"), // RFC 9559
  aliases: ["audio/matroska", "video/x-matroska", "video/matroska"],
  plan,
  decoding: audio,
} as const satisfies Row;

export const matroska = {
  type: "video/x-matroska",
  kind: "video",
  matches: (head) => isMatroska(head, "matroska", "any"),
  aliases: ["video/matroska", "video/matroska-3d", "application/x-matroska"],
  plan,
  decoding: video,
} as const satisfies Row;
