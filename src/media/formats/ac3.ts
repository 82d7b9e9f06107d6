import { hasAt } from "./bytes.ts";
import type { Row } from "./format.ts";
import { type Frame, hasFrames } from "./mpeg-frames.ts";
import { createSoundPlan } from "./header-facts.ts";
import { wholeFacts } from "./received.ts";
import { audio } from "./tracks.ts";

const syncWord = [0x0b, 0x77];
const sampleRates = [48_000, 44_100, 32_000] as const;
// kbit/s by half the frame size code (ATSC A/52, table 5.18).
const bitrates = [32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384, 448, 512, 576, 640] as const;
const frameSamples = 1536;
const wordBytes = 2;
// ATSC A/52 5.4.2.1 and E.2.3.1.6: 8 is AC-3, 9 and 10 are AC-3 of half and a quarter of the rate, 11 to 16 are E-AC-3.
const maxIds = { ac3: 8, slowAc3: 10, eac3: 16 };
// ATSC A/52, table E2.3: blocks of a frame, of 256 samples each.
const blockCounts = [1, 2, 3, 6] as const;
const blockSamples = 256;

/** The header of a frame of AC-3 or E-AC-3. */
export interface DolbyFrame extends Frame {
  readonly isEnhanced: boolean;
  /** Samples a second. */
  readonly rate: number;
  /** Samples that it adds to the stream: none if it has more channels of the frame before. */
  readonly samples: number;
}

/** Null if no header stands at the offset. */
export function readDolbyFrame(head: Uint8Array, at: number): DolbyFrame | null {
  if (!hasAt(head, at, syncWord) || at + 6 > head.length) return null;
  const id = (head[at + 5] ?? 0) >> 3;
  if (id > maxIds.eac3) return null;
  return id <= maxIds.slowAc3 ? readAc3Frame(head, at, id) : readEac3Frame(head, at);
}

/** ATSC A/52 5.3.1: the rate and the frame size stand in one byte. */
function readAc3Frame(head: Uint8Array, at: number, id: number): DolbyFrame | null {
  const [rateCode, sizeCode] = [(head[at + 4] ?? 0) >> 6, (head[at + 4] ?? 0) & 63];
  const [rate, bitrate] = [sampleRates[rateCode], bitrates[sizeCode >> 1]];
  if (!rate || !bitrate) return null;
  const words = Math.floor((frameSamples * bitrate * 1000) / (8 * wordBytes) / rate);
  const padding = rate === 44_100 ? sizeCode & 1 : 0;
  return {
    stream: rateCode,
    bytes: (words + padding) * wordBytes,
    isEnhanced: false,
    rate: rate / 2 ** Math.max(0, id - maxIds.ac3),
    samples: frameSamples,
  };
}

/** ATSC A/52 E.1.2.2: a stream type, a substream, and the length of the frame in words. */
function readEac3Frame(head: Uint8Array, at: number): DolbyFrame | null {
  const [second = 0, third = 0, codes = 0] = head.subarray(at + 2, at + 5);
  const isFirstStream = second >> 6 !== 1 && ((second >> 3) & 7) === 0;
  const [rateCode, lowCode] = [codes >> 6, (codes >> 4) & 3];
  const rate = rateCode < 3 ? sampleRates[rateCode] : (sampleRates[lowCode] ?? 0) / 2;
  if (!rate || second >> 6 === 3) return null;
  const blocks = rateCode < 3 ? (blockCounts[lowCode] ?? 0) : 6;
  return {
    stream: 4 + rateCode,
    bytes: ((second & 7) * 256 + third + 1) * wordBytes,
    isEnhanced: true,
    rate,
    samples: isFirstStream ? blocks * blockSamples : 0,
  };
}

function isDolby(head: Uint8Array, isEnhanced: boolean): boolean {
  return readDolbyFrame(head, 0)?.isEnhanced === isEnhanced && hasFrames(head, 0, readDolbyFrame);
}

// The duration takes all frames.
const wholePlan = createSoundPlan(wholeFacts);

export const ac3 = {
  type: "audio/ac3",
  kind: "audio",
  matches: (head) => isDolby(head, false), // RFC 4184
  aliases: ["audio/x-ac3", "audio/vnd.dolby.dd-raw", "audio/a52"],
  plan: wholePlan,
  decoding: { ...audio, reader: "dolby" },
} as const satisfies Row;

export const eac3 = {
  type: "audio/eac3",
  kind: "audio",
  matches: (head) => isDolby(head, true), // RFC 4598
  aliases: ["audio/x-eac3", "audio/vnd.dolby.dd-raw", "audio/ac3"],
  plan: wholePlan,
  decoding: { ...audio, reader: "dolby" },
} as const satisfies Row;
