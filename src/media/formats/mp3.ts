import { createDurationMs } from "../raster.ts";
import { createWorkBudget, hasAt, readUint32 } from "./bytes.ts";
import type { Row } from "./format.ts";
import { afterTag, findTags, previewTags } from "./id3.ts";
import {
  type MpegFrame,
  countFramesMs,
  findFirstFrame,
  hasFrames,
  hasFramesBehindJunk,
  readAdtsFrame,
  readMpegFrame,
} from "./mpeg-frames.ts";
import type { FactsStep, ReceivedFile } from "./plan.ts";
import { clampToFile, knownFacts, needMore, noFacts, wholeFacts } from "./received.ts";
import { audio } from "./tracks.ts";

// As many frames prove a constant bitrate: four seconds of 128 kbit/s. An encoder with a variable one has changed it.
const provedBytes = 64 * 1024;
const maxFrames = 4096;
// The longest frame: MPEG 2.5 layer II, 160 kbit/s at 8 kHz.
const maxFrameBytes = 2881;

/** Duration of an MP3 file; `missing`: more of its beginning is needed; null: all frames must be counted. */
function readMp3DurationMs(file: ReceivedFile): number | "missing" | null {
  const { prefix, length } = file;
  const tags = findTags(file);
  const end = tags.end + provedBytes;
  const head = prefix.subarray(0, end);
  const isThere = tags.isSure && prefix.length >= clampToFile(file, end);
  const missing = isThere ? null : "missing";
  const first = tags.isSure ? findFirstFrame(head, tags.end, readMpegFrame) : null;
  if (!first) return missing;
  const { at, frame } = first;
  const milliseconds = (frames: number) => createDurationMs(((frames * frame.samples) / frame.rate) * 1000);
  const counted = readFrameCount(head, at, frame);
  if (counted !== null) return milliseconds(counted);
  if (!isThere || length === null) return missing;
  const audioAt = isInfo(head, at, frame) ? at + frame.bytes : at;
  const { count, areConstant, end: walked } = walkFrames(head, audioAt);
  const rest = head.length - walked;
  if (length <= end) return rest < maxFrameBytes ? milliseconds(count) : null;
  if (!areConstant || rest >= maxFrameBytes) return null;
  // A frame may lack the byte that would bring its length to the average. A tag of 128 bytes at the end (ID3v1) is
  // less than a frame.
  return milliseconds(Math.floor((length - audioAt + 1) / frame.meanBytes));
}

/** Offset of the first frame's encoder header, behind the side information of layer III. */
function infoAt(head: Uint8Array, at: number, { isFirstVersion }: MpegFrame): number {
  const isMono = (head[at + 3] ?? 0) >> 6 === 3;
  return at + 4 + (isFirstVersion ? (isMono ? 17 : 32) : isMono ? 9 : 17);
}

function isInfo(head: Uint8Array, at: number, frame: MpegFrame): boolean {
  return ["Xing", "Info"].some((mark) => hasAt(head, infoAt(head, at, frame), mark));
}

/** The number of frames that the encoder wrote into the first one: Xing and LAME, or Fraunhofer (VBRI). */
function readFrameCount(head: Uint8Array, at: number, frame: MpegFrame): number | null {
  const from = infoAt(head, at, frame);
  const hasCount = isInfo(head, at, frame) && (readUint32(head, from + 4) & 1) !== 0;
  if (hasCount) return readUint32(head, from + 8) || null;
  return hasAt(head, at + 36, "VBRI") ? readUint32(head, at + 36 + 14) || null : null;
}

interface Frames {
  readonly count: number;
  /** Whether all have one bitrate. */
  readonly areConstant: boolean;
  /** Offset behind the last one that is there in full. */
  readonly end: number;
}

/** Walks over the frames that follow each other without a gap. */
function walkFrames(head: Uint8Array, from: number): Frames {
  const first = readMpegFrame(head, from);
  const work = createWorkBudget(maxFrames);
  let [at, count, areConstant] = [from, 0, true];
  while (work.step()) {
    const frame = readMpegFrame(head, at);
    if (!first || frame?.stream !== first.stream || at + frame.bytes > head.length) break;
    areConstant &&= frame.bitrate === first.bitrate;
    at += frame.bytes;
    count += 1;
  }
  return { count, areConstant, end: at };
}

/** Duration of a whole file whose frames must be counted; null without frames. For workers. */
export function countMp3Ms(body: Uint8Array): number | null {
  const { end } = findTags({ prefix: body, parts: [], length: body.length });
  const first = hasAt(body, end, "fLaC") ? null : findFirstFrame(body, end, readMpegFrame);
  if (!first) return null;
  const { at, frame } = first;
  return countFramesMs(body, isInfo(body, at, frame) ? at + frame.bytes : at, readMpegFrame);
}

function planFacts(file: ReceivedFile): FactsStep {
  const durationMs = readMp3DurationMs(file);
  if (durationMs === null) return wholeFacts(file);
  if (durationMs !== "missing") return knownFacts({ durationMs });
  return noFacts(needMore(file, findTags(file).end + provedBytes));
}

/** A tag and no sign of another stream after it, or two frames in a row. */
function isMpegAudio(head: Uint8Array): boolean {
  const from = afterTag(head);
  if (from === 0) return hasFrames(head, 0, readMpegFrame);
  return !hasAt(head, from, "fLaC") && !hasFrames(head, from, readAdtsFrame);
}

export const mp3 = {
  type: "audio/mpeg",
  kind: "audio",
  readsTags: true,
  matches: isMpegAudio,
  matchesBehindJunk: (head) => hasFramesBehindJunk(head, 0, readMpegFrame),
  aliases: ["audio/mp3", "audio/x-mp3", "audio/mpeg3", "audio/x-mpeg"],
  isSometimesUnmarked: true, // players skip anything before the first frame
  plan: { facts: planFacts, preview: previewTags },
  decoding: { ...audio, reader: "mpeg-audio" },
} as const satisfies Row;
