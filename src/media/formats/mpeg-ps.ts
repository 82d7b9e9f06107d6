import { type Size, createSize } from "../raster.ts";
import { all, at, hasAt } from "./bytes.ts";
import type { Row } from "./format.ts";
import type { FactsStep, ReceivedFile } from "./plan.ts";
import { createVideoPlan, createFacts, needFacts } from "./header-facts.ts";
import { noFacts } from "./received.ts";
import { video } from "./tracks.ts";

const packStart = [0, 0, 1, 0xba];
const sequenceStart = [0, 0, 1, 0xb3];
const extensionStart = Buffer.from([0, 0, 1, 0xb5]);

// A sequence header stands before each group of pictures: the first is behind the headers of the streams.
const searchedBytes = 64 * 1024;
const sequenceHeaderBytes = 12;
// Two matrices of 64 bytes may stand between a sequence header and its extension.
const maxMatrixBytes = 128;

/** The bits of a byte that a header fixes. */
const bits = (offset: number, mask: number, value: number) => (head: Uint8Array) =>
  ((head[offset] ?? 0) & mask) === value;

// ISO/IEC 13818-1 2.5.3.3: `01`, and marker bits in the clock reference, the rate and before the stuffing length.
const isMpeg2Pack = all(at(0, packStart), bits(4, 0xc4, 0x44), bits(6, 4, 4), bits(8, 4, 4), bits(9, 1, 1), bits(12, 3, 3)); // prettier-ignore
// ISO/IEC 11172-1 2.4.3.2: `0010`, and marker bits.
const isMpeg1Pack = all(at(0, packStart), bits(4, 0xf1, 0x21), bits(6, 1, 1), bits(8, 1, 1), bits(9, 0x80, 0x80), bits(11, 1, 1)); // prettier-ignore

/** The size and the codes of a sequence header, all of them valid (ISO/IEC 13818-2 6.2.2.1, 11172-2 2.4.2.3). */
function readSequence(head: Uint8Array, at: number): { readonly size: Size; readonly aspect: number } | null {
  if (!hasAt(head, at, sequenceStart) || at + sequenceHeaderBytes > head.length) return null;
  const [first = 0, second = 0, third = 0, codes = 0] = head.subarray(at + 4, at + 8);
  const size = createSize(first * 16 + (second >> 4), (second & 15) * 256 + third);
  const [aspect, frameRate] = [codes >> 4, codes & 15];
  const hasMarker = ((head[at + 10] ?? 0) & 0x20) !== 0;
  const isValid = aspect >= 1 && aspect <= 14 && frameRate >= 1 && frameRate <= 8 && hasMarker;
  return size && isValid ? { size, aspect } : null;
}

// ISO/IEC 13818-2, table 6-3: the proportion of the picture by code. MPEG-1 has proportions of a pixel instead.
const proportions: Readonly<Record<number, number>> = { 2: 4 / 3, 3: 16 / 9, 4: 2.21 };

/** The size as displayed, from the first sequence header; null without one: the video is of another codec. */
export function readMpegSize(body: Uint8Array): Size | null {
  const searched = Buffer.from(body.buffer, body.byteOffset, Math.min(body.length, searchedBytes));
  for (let from = searched.indexOf(Buffer.from(sequenceStart)); from >= 0;) {
    const sequence = readSequence(searched, from);
    const end = from + sequenceHeaderBytes;
    if (sequence) {
      if (searched.length < end + maxMatrixBytes + extensionStart.length) return null; // its extension may be missing
      const isMpeg2 = searched.subarray(end, end + maxMatrixBytes + extensionStart.length).includes(extensionStart);
      const proportion = isMpeg2 ? proportions[sequence.aspect] : undefined;
      const { width, height } = sequence.size;
      return createSize(proportion === undefined ? width : Math.round(height * proportion), height);
    }
    from = searched.indexOf(Buffer.from(sequenceStart), end);
  }
  return null;
}

/** The size alone: the duration takes all packets. */
function planFacts(file: ReceivedFile): FactsStep {
  const size = readMpegSize(file.prefix);
  if (size) return createFacts(null, size);
  return file.prefix.length < searchedBytes ? needFacts(file, searchedBytes) : noFacts();
}

const mpegPlan = createVideoPlan(planFacts);

export const mpegPs = {
  type: "video/mp2p",
  kind: "video",
  matches: isMpeg2Pack,
  aliases: ["video/mpeg", "video/x-mpeg", "video/dvd"],
  plan: mpegPlan,
  decoding: { ...video, reader: "headers" },
} as const satisfies Row;

export const mpeg1Ps = {
  type: "video/mp1s",
  kind: "video",
  matches: isMpeg1Pack,
  aliases: ["video/mpeg", "video/x-mpeg"],
  plan: mpegPlan,
  decoding: { ...video, reader: "headers" },
} as const satisfies Row;

export const mpegVideo = {
  type: "video/mpeg",
  kind: "video",
  matches: (head) => readSequence(head, 0) !== null,
  aliases: ["video/x-mpeg", "video/mpv"],
  plan: mpegPlan,
  decoding: { ...video, reader: "headers" },
} as const satisfies Row;
