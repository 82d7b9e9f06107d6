import { type WorkBudget, asBuffer, readUint16 } from "./bytes.ts";
import { type Element, readElement, readElements, readUnsigned, readVint, readVintLength } from "./ebml.ts";
import { type MatroskaHead, type MatroskaTrack, createElementSteps, ids } from "./matroska-head.ts";

// RFC 9559 5.1.3, besides blocks and the timestamp: Void, CRC-32, SilentTracks, Position, PrevSize, EncryptedBlock.
const otherChildren = [0xec, 0xbf, 0x5854, 0xa7, 0xab, 0xaf];

/** A block of a cluster: frames of one track. */
export interface Block {
  readonly at: number;
  readonly end: number;
  readonly track: number;
  /** In units of the segment's timestamp scale, from its beginning. */
  readonly time: number;
  /** Likewise; 0 if it does not give it. */
  readonly duration: number;
  /** Several frames may share a block (lacing). */
  readonly frames: number;
}

/** A cluster and its blocks that are there in full. */
export interface Cluster {
  readonly element: Element;
  readonly blocks: readonly Block[];
  /** Offset behind the last child that is there in full, or of the next cluster. */
  readonly end: number;
  /** Whether all of its children are there; not known of a cluster of unknown size at the end of the bytes. */
  readonly isWhole: boolean;
}

/** Reads a cluster; null if there is none at the offset. */
export function readCluster(bytes: Uint8Array, at: number, work: WorkBudget): Cluster | null {
  const element = readElement(bytes, at);
  if (element?.id !== ids.cluster) return null;
  const blocks: Block[] = [];
  let time: number | null = null;
  let end = element.start;
  while (end < element.end && work.step()) {
    const child = readElement(bytes, end);
    if (!child) return { element, blocks, end, isWhole: false };
    const isBlock = child.id === ids.simpleBlock || child.id === ids.blockGroup;
    if (!isBlock && child.id !== ids.timestamp && !otherChildren.includes(child.id)) break; // the next cluster, or junk
    if (child.end > bytes.length) return { element, blocks, end, isWhole: false };
    if (child.id === ids.timestamp) time = readUnsigned(bytes, child);
    if (isBlock && time === null) return null; // by chance these bytes look like a cluster
    const block = isBlock ? readBlock(bytes, child, time ?? 0, work) : null;
    if (block) blocks.push(block);
    end = child.end;
  }
  return time === null ? null : { element, blocks, end, isWhole: true };
}

function readBlock(bytes: Uint8Array, child: Element, clusterTime: number, work: WorkBudget): Block | null {
  let [block, duration] = [child, 0];
  if (child.id === ids.blockGroup) {
    for (const field of readElements(bytes, child.start, child.end, work)) {
      if (field.id === ids.block) block = field;
      if (field.id === ids.blockDuration) duration = readUnsigned(bytes, field);
    }
  }
  const trackLength = readVintLength(bytes, block.start);
  if (trackLength === 0) return null;
  const track = readVint(bytes, block.start, trackLength);
  const at = block.start + trackLength;
  const relative = (readUint16(bytes, at) << 16) >> 16; // signed (RFC 9559 10.1)
  const isLaced = ((bytes[at + 2] ?? 0) & 6) !== 0;
  const frames = isLaced ? (bytes[at + 3] ?? 0) + 1 : 1;
  return { at: child.at, end: child.end, track, time: clusterTime + relative, duration, frames };
}

const clusterMark = Uint8Array.of(0x1f, 0x43, 0xb6, 0x75);
// Compressed data has these four bytes once in 4 GB. A file with many of them is made for us.
const maxCandidates = 64;

/** When the last blocks of a file end. */
export interface EndTime {
  /** In units of the segment's timestamp scale, from its beginning. */
  readonly time: number;
  /** Whether no block before these bytes ends later, if it has the default duration of its track. */
  readonly isSure: boolean;
}

/**
 * Finds the time at which the last blocks of all tracks end; null if there is no block in these bytes.
 *
 * Searches back, cluster by cluster: one with only audio may follow the cluster of the video frame that ends last.
 */
export function findEndTime(tail: Uint8Array, { tracks, scaleNanoseconds }: MatroskaHead): EndTime | null {
  const text = asBuffer(tail);
  const work = createElementSteps();
  const unseen = new Map(tracks); // tracks without a block so far
  let [begin, end] = [Infinity, -Infinity];
  const unitsOf = (track: MatroskaTrack) => track.defaultNanoseconds / scaleNanoseconds;

  /** Whether no unseen track can end later. The last block of one begins before all blocks that were read. */
  function isSure(): boolean {
    for (const track of unseen.values()) if (!work.step() || begin + unitsOf(track) > end) return false;
    return true;
  }

  let at = text.lastIndexOf(clusterMark);
  for (let candidates = 0; at >= 0 && candidates < maxCandidates && !isSure(); candidates += 1) {
    for (const block of readCluster(tail, at, work)?.blocks ?? []) {
      const track = tracks.get(block.track);
      if (!track) continue;
      unseen.delete(block.track);
      begin = Math.min(begin, block.time);
      end = Math.max(end, block.time + (block.duration || block.frames * unitsOf(track)));
    }
    at = at === 0 ? -1 : text.lastIndexOf(clusterMark, at - 1);
  }
  return end === -Infinity ? null : { time: end, isSure: isSure() };
}

/** The time of the first block of all tracks, in units: a stream that was joined late does not begin at 0. */
export function findStartTime(bytes: Uint8Array, { tracks }: MatroskaHead): number {
  const seen = new Set<number>();
  let start = Infinity;
  for (const { track, time } of readCluster(bytes, 0, createElementSteps())?.blocks ?? []) {
    if (!tracks.has(track) || seen.has(track)) continue;
    seen.add(track);
    start = Math.min(start, time);
  }
  return start === Infinity ? 0 : Math.max(0, start);
}
