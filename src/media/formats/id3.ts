import { asBuffer, hasAt } from "./bytes.ts";
import type { Need, PreviewStep, ReadPlan, ReceivedFile } from "./plan.ts";
import { clampToFile, foundPreview, needMore, noPreview } from "./received.ts";

// Tags may be longer than the audio: a picture of some megabytes. Beyond this the cover is not worth it.
const maxTagBytes = 16 * 1024 ** 2;
// Some programs write a second tag behind the first.
const maxTags = 4;
const tagHeaderBytes = 10;
// A decoder's reader needs a frame or two to see that it is audio.
const audioBytes = 16 * 1024;

/** The ID3v2 tags at the start of a file. */
export interface Tags {
  readonly end: number;
  /** Whether the bytes behind them have arrived, which may be one more tag. */
  readonly isSure: boolean;
}

/** The end of the ID3v2 tag (id3.org, ID3v2.4 3.1: version, flags, a size of seven bits a byte); 0 without a tag. */
export function afterTag(head: Uint8Array): number {
  const version = head[3] ?? 0;
  if (!hasAt(head, 0, "ID3") || version < 2 || version > 4) return 0;
  const sizes = head.subarray(6, 10);
  if (sizes.length < 4 || sizes.some((byte) => byte > 0x7f)) return 0;
  return 10 + sizes.reduce((size, byte) => size * 128 + byte, 0);
}

export function findTags(file: ReceivedFile): Tags {
  const { prefix } = file;
  let end = 0;
  for (let tags = 0; tags < maxTags; tags += 1) {
    if (prefix.length < clampToFile(file, end + tagHeaderBytes)) return { end, isSure: false };
    const bytes = afterTag(prefix.subarray(end, end + tagHeaderBytes));
    if (bytes === 0) break;
    end += bytes;
  }
  return { end, isSure: true };
}

/** Where the tags at the start of these bytes end; 0 without one. It may lie behind them. */
export function endOfTags(bytes: Uint8Array): number {
  return hasAt(bytes, 0, "ID3") ? findTags({ prefix: bytes, parts: [], length: null }).end : 0;
}

/** The plan of a file behind ID3v2 tags, which some programs put in front of any format. */
export function skipTags({ facts, preview }: ReadPlan): ReadPlan {
  return { facts: (file) => askBehindTags(file, facts), preview: (file) => askBehindTags(file, preview) };
}

function askBehindTags<Step extends { readonly need: Need | null }>(
  file: ReceivedFile,
  ask: (file: ReceivedFile) => Step,
): Step {
  const { prefix, parts, length } = file;
  const end = endOfTags(prefix);
  if (end === 0) return ask(file);
  const step = ask({
    ...file,
    prefix: prefix.subarray(end),
    parts: parts.filter(({ at }) => at >= end).map(({ at, bytes }) => ({ at: at - end, bytes })),
    length: length === null ? null : Math.max(0, length - end),
  });
  return { ...step, need: shiftNeed(step.need, end) };
}

function shiftNeed(need: Need | null, bytes: number): Need | null {
  if (need === null || need === "whole") return need;
  return "prefix" in need ? { prefix: need.prefix + bytes } : { from: need.from + bytes, to: need.to + bytes };
}

/** The cover in the ID3v2 tags: an excerpt of the tags and the first frames. */
export function previewTags(file: ReceivedFile): PreviewStep {
  const { prefix } = file;
  const { end, isSure } = findTags(file);
  if (end > maxTagBytes || (isSure && end === 0)) return noPreview();
  const to = clampToFile(file, end + audioBytes);
  if (to > prefix.length) return noPreview(needMore(file, to));
  // ID3v2.3 and 2.4: APIC; ID3v2.2: PIC.
  return asBuffer(prefix.subarray(0, end)).includes("PIC") ? foundPreview(prefix.subarray(0, to)) : noPreview();
}
