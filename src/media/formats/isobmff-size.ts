import { type Size, createSize } from "../raster.ts";
import { type WorkBudget, readInt32, readUint16, readUint32 } from "./bytes.ts";
import { type Box, boxes, findBox } from "./isobmff.ts";

const quarters = [0, 90, 180, 270] as const;
export type Degrees = (typeof quarters)[number];

/** The display matrix and the size in the header of a movie or of a track (ISO/IEC 14496-12, 8.2.2 and 8.3.2). */
export interface DisplayHeader {
  readonly degrees: number;
  /** In pixels before the rotation; 0 in the header of a movie. */
  readonly width: number;
  readonly height: number;
}

// Offsets in boxes of version 0; the times of version 1 take 12 bytes more.
const matrixAts: Readonly<Record<string, number>> = { mvhd: 36, tkhd: 40 };
const longTimesBytes = 12;
const matrixBytes = 36;
// Fields of a visual sample entry before its boxes (12.1.3), its own header included.
const [entrySizeAt, entryBoxesAt] = [32, 86];
// Rounding makes the proportions of the two sizes differ by less.
const anamorphicShare = 0.02;
// No display stretches pixels by more: anything else in the track header is not a size.
const maxStretch = 4;

/** Reads `mvhd` or `tkhd`. */
export function readDisplayHeader(moov: Uint8Array, { type, start }: Box): DisplayHeader {
  const at = start + (matrixAts[type] ?? 0) + (moov[start] === 1 ? longTimesBytes : 0);
  const angle = Math.atan2(readInt32(moov, at + 4), readInt32(moov, at));
  const degrees = (Math.round(angle / (Math.PI / 2)) * 90 + 360) % 360;
  const sizeAt = at + matrixBytes;
  // 16.16 fixed point
  const side = (offset: number) => (type === "tkhd" ? Math.round(readUint32(moov, sizeAt + offset) / 65536) : 0);
  return { degrees, width: side(0), height: side(4) };
}

/** The rotation of a track for display: its own matrix, then that of the movie. */
export function rotationOf(track: DisplayHeader | null, movie: DisplayHeader | null): Degrees {
  const degrees = ((track?.degrees ?? 0) + (movie?.degrees ?? 0)) % 360;
  return quarters.find((quarter) => quarter === degrees) ?? 0;
}

/**
 * Reads the size of a video track as displayed: that of its samples, in square pixels, rotated by the matrices.
 *
 * Without `pasp`, and in a file whose sample description has no size, the track header has the displayed size.
 */
export function readDisplaySize(
  moov: Uint8Array,
  description: Box | undefined,
  track: DisplayHeader | null,
  movie: DisplayHeader | null,
  work: WorkBudget,
): Size | null {
  const upright = readUprightSize(moov, description, track, work);
  const isTurned = rotationOf(track, movie) % 180 === 90;
  return upright && isTurned ? { width: upright.height, height: upright.width } : upright;
}

function readUprightSize(
  moov: Uint8Array,
  description: Box | undefined,
  track: DisplayHeader | null,
  work: WorkBudget,
): Size | null {
  const declared = track && createSize(track.width, track.height);
  const entryAt = (description?.start ?? 0) + 8;
  if (!description || entryAt + entryBoxesAt > description.end) return declared;
  const coded = createSize(readUint16(moov, entryAt + entrySizeAt), readUint16(moov, entryAt + entrySizeAt + 2));
  if (!coded) return declared;
  const entryEnd = Math.min(description.end, entryAt + readUint32(moov, entryAt));
  const aspect = findBox(boxes(moov, entryAt + entryBoxesAt, entryEnd, work), "pasp"); // 12.1.4
  const [across, down] = aspect ? [readUint32(moov, aspect.start), readUint32(moov, aspect.start + 4)] : [0, 0];
  if (across > 0 && down > 0) return stretch(coded, across / down);
  return declared && isStretched(coded, declared) ? declared : coded;
}

/** Converts to square pixels by making one side longer. */
function stretch({ width, height }: Size, ratio: number): Size | null {
  return ratio > 1 ? createSize(Math.round(width * ratio), height) : createSize(width, Math.round(height / ratio));
}

/** Whether the track header gives other proportions; some writers turn them too, despite the matrix. */
function isStretched(coded: Size, declared: Size): boolean {
  if (declared.width === coded.height && declared.height === coded.width) return false;
  const ratio = (declared.width / declared.height) * (coded.height / coded.width);
  return Math.abs(ratio - 1) > anamorphicShare && ratio < maxStretch && ratio > 1 / maxStretch;
}
