import { createSize } from "../raster.ts";
import { all, at, hasAt, readUint16 } from "./bytes.ts";
import type { Row } from "./format.ts";

const packStart = [0, 0, 1, 0xba];
const sequenceStart = [0, 0, 1, 0xb3];

const sequenceHeaderBytes = 12;

/** The bits of a byte that a header fixes. */
const bits = (offset: number, mask: number, value: number) => (head: Uint8Array) =>
  ((head[offset] ?? 0) & mask) === value;

// ISO/IEC 13818-1 2.5.3.3: `01`, and marker bits in the clock reference, the rate and before the stuffing length.
const isMpeg2Pack = all(at(0, packStart), bits(4, 0xc4, 0x44), bits(6, 4, 4), bits(8, 4, 4), bits(9, 1, 1), bits(12, 3, 3)); // prettier-ignore
// ISO/IEC 11172-1 2.4.3.2: `0010`, and marker bits.
const isMpeg1Pack = all(at(0, packStart), bits(4, 0xf1, 0x21), bits(6, 1, 1), bits(8, 1, 1), bits(9, 0x80, 0x80), bits(11, 1, 1)); // prettier-ignore

/** ISO/IEC 13818-2 6.2.2.1, 11172-2 2.4.2.3: a size, codes of the proportion and of the frame rate, a marker bit. */
function isSequence(head: Uint8Array): boolean {
  if (!hasAt(head, 0, sequenceStart) || head.length < sequenceHeaderBytes) return false;
  const size = createSize(readUint16(head, 4) >> 4, readUint16(head, 5) & 0xfff);
  const [aspect, frameRate] = [(head[7] ?? 0) >> 4, (head[7] ?? 0) & 15];
  const hasMarker = ((head[10] ?? 0) & 0x20) !== 0;
  return size !== null && aspect >= 1 && aspect <= 14 && frameRate >= 1 && frameRate <= 8 && hasMarker;
}

export const mpegPs = {
  type: "video/mp2p",
  kind: "video",
  matches: isMpeg2Pack,
  aliases: ["video/mpeg", "video/x-mpeg", "video/dvd"],
} as const satisfies Row;

export const mpeg1Ps = {
  type: "video/mp1s",
  kind: "video",
  matches: isMpeg1Pack,
  aliases: ["video/mpeg", "video/x-mpeg"],
} as const satisfies Row;

export const mpegVideo = {
  type: "video/mpeg",
  kind: "video",
  matches: isSequence,
  aliases: ["video/x-mpeg", "video/mpv"],
} as const satisfies Row;
