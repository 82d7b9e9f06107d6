import { createDurationMs } from "../raster.ts";

/** What two neighbouring frames of one stream have in common, and how far the next one is. */
export interface Frame {
  readonly stream: number;
  readonly bytes: number;
  /** Samples a second, and samples of a frame. */
  readonly rate: number;
  readonly samples: number;
}

/** Reads the header of a frame; null if there is none at the offset. */
type ReadFrame<F extends Frame = Frame> = (head: Uint8Array, at: number) => F | null;

// kbit/s by bitrate index (ISO/IEC 11172-3 2.4.2.3, 13818-3 2.4.2.3): version 1 layers I, II, III; then version 2.
const bitrates = [
  [0, 32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448],
  [0, 32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384],
  [0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320],
  [0, 32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256],
  [0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160],
] as const;
const sampleRates = [44_100, 48_000, 32_000] as const;

/** The header of a frame of MPEG audio. */
export interface MpegFrame extends Frame {
  readonly isFirstVersion: boolean;
  /** Bits a second. */
  readonly bitrate: number;
  /** Length of a frame before rounding. */
  readonly meanBytes: number;
}

/** Null if no header stands at the offset. */
export function readMpegFrame(head: Uint8Array, at: number): MpegFrame | null {
  const [first = 0, second = 0, third = 0] = head.subarray(at, at + 3);
  if (first !== 0xff || (second & 0xe0) !== 0xe0) return null;
  const version = (second >> 3) & 3; // 3 is MPEG 1, 2 is MPEG 2, 0 is the unofficial 2.5
  const layer = 4 - ((second >> 1) & 3);
  const sampleRate = sampleRates[(third >> 2) & 3];
  if (version === 1 || layer === 4 || !sampleRate) return null;
  const isFirst = version === 3;
  const row = isFirst ? layer - 1 : layer === 1 ? 3 : 4;
  const bitrate = (bitrates[row]?.[third >> 4] ?? 0) * 1000;
  if (bitrate === 0) return null; // "free": the header does not give its length
  const rate = sampleRate / (isFirst ? 1 : version === 2 ? 2 : 4);
  const padding = (third >> 1) & 1;
  const bytes =
    layer === 1
      ? (Math.floor((12 * bitrate) / rate) + padding) * 4
      : Math.floor(((layer === 3 && !isFirst ? 72 : 144) * bitrate) / rate) + padding;
  const samples = layer === 1 ? 384 : layer === 3 && !isFirst ? 576 : 1152;
  const stream = second * 4 + ((third >> 2) & 3);
  return { stream, bytes, isFirstVersion: isFirst, bitrate, rate, samples, meanBytes: (samples * bitrate) / 8 / rate };
}

// ISO/IEC 13818-7, table 35
const adtsSampleRates = [
  96_000, 88_200, 64_000, 48_000, 44_100, 32_000, 24_000, 22_050, 16_000, 12_000, 11_025, 8000, 7350,
];
const samplesOfBlock = 1024;

/** ISO/IEC 13818-7 6.2: twelve ones, layer 0, then a frame length that counts the header. */
export function readAdtsFrame(head: Uint8Array, at: number): Frame | null {
  const [first = 0, second = 0, third = 0, fourth = 0, fifth = 0, sixth = 0] = head.subarray(at, at + 6);
  if (first !== 0xff || (second & 0xf6) !== 0xf0 || ((third >> 2) & 15) > 12) return null;
  const bytes = ((fourth & 3) << 11) | (fifth << 3) | (sixth >> 5);
  const rate = adtsSampleRates[(third >> 2) & 15] ?? 0;
  const blocks = ((head[at + 6] ?? 0) & 3) + 1;
  return bytes < 7 ? null : { stream: second * 256 + (third & 0xfc), bytes, rate, samples: blocks * samplesOfBlock };
}

/** A frame is only four bytes of header, which any data may hold by chance: the next one must stand where it says. */
export function hasFrames(head: Uint8Array, from: number, read: ReadFrame): boolean {
  const frame = read(head, from);
  if (!frame) return false;
  const next = from + frame.bytes;
  return next === head.length || read(head, next)?.stream === frame.stream;
}

// A recorder's buffer or a damaged tag in front of the first frame.
const maxJunkBytes = 4096;
// Headers in a row that no other data has by chance: each has some 20 bits that are fixed.
const sureFrames = 3;

/** Whether frames begin behind a few kilobytes of other data, which players skip. */
export function hasFramesBehindJunk(head: Uint8Array, from: number, read: ReadFrame): boolean {
  const end = Math.min(head.length, from + maxJunkBytes + 1);
  for (let at = head.indexOf(0xff, from); at >= 0 && at < end; at = head.indexOf(0xff, at + 1)) {
    if (hasFramesInRow(head, at, read)) return true;
  }
  return false;
}

function hasFramesInRow(head: Uint8Array, from: number, read: ReadFrame): boolean {
  const first = read(head, from);
  let at = from;
  for (let frames = 0; frames < sureFrames; frames += 1) {
    const frame = read(head, at);
    if (!frame || frame.stream !== first?.stream) return false;
    at += frame.bytes;
  }
  return true;
}

/** The first frame with another one behind it; null also if the next one has not arrived. */
export function findFirstFrame<F extends Frame>(
  head: Uint8Array,
  from: number,
  read: ReadFrame<F>,
): { readonly at: number; readonly frame: F } | null {
  for (let at = head.indexOf(0xff, from); at >= 0; at = head.indexOf(0xff, at + 1)) {
    const frame = read(head, at);
    if (frame && read(head, at + frame.bytes)?.stream === frame.stream) return { at, frame };
  }
  return null;
}

/**
 * The duration of all frames of a whole file, over data between them that is none. For workers: it takes all bytes.
 *
 * @param from offset behind the tags and the encoder's own frame
 * @returns null without two frames in a row
 */
export function countFramesMs(body: Uint8Array, from: number, read: ReadFrame): number | null {
  let seconds = 0;
  let next = findFirstFrame(body, from, read);
  const stream = next?.frame.stream;
  while (next) {
    let { at } = next;
    for (let frame: Frame | null = next.frame; frame && at + frame.bytes <= body.length; frame = read(body, at)) {
      if (frame.stream === stream) seconds += frame.samples / frame.rate;
      at += frame.bytes;
    }
    next = findFirstFrame(body, at, read);
  }
  return seconds > 0 ? createDurationMs(seconds * 1000) : null;
}
