import { createWorkBudget, readUint32 } from "./bytes.ts";
import { maxMediaBytes } from "./clip.ts";
import { type Movie, type SampleTable, type Track, readTime } from "./isobmff-movie.ts";
import type { Box } from "./isobmff.ts";

// Ten seconds of 240 frames a second have 2400 samples.
const maxSamples = 16_384;
// More chunks than in the first gigabytes of a film. The offsets of all later chunks lie behind any excerpt.
const maxChunks = 65_536;

/** The bytes of the first samples of a track, as offsets in the file. */
export interface SampleSpan {
  readonly from: number;
  readonly to: number;
}

/** Entries in a box behind its version and flags: a count, then the entries. */
function countEntries(moov: Uint8Array, { start, end }: Box, entryBytes: number): number {
  return Math.min(readUint32(moov, start + 4), Math.floor(Math.max(0, end - start - 8) / entryBytes));
}

/** Finds the samples of the first seconds; null if the tables do not give them, or if the first one is too large. */
export function findSampleSpan(
  moov: Uint8Array,
  table: SampleTable,
  timescale: number,
  seconds: number,
): SampleSpan | null {
  const work = createWorkBudget(maxSamples);
  const nextSize = createSizes(moov, table.sizes);
  const nextDuration = createDurations(moov, table.times);
  const chunkCount = countEntries(moov, table.offsets, table.offsetBytes);
  const groupCount = countEntries(moov, table.chunks, 12);
  let [from, to, time, group] = [Infinity, 0, 0, 0];
  const span = () => (to > 0 ? { from, to } : null);
  for (let chunk = 0; chunk < chunkCount && work.step(); chunk += 1) {
    while (group + 1 < groupCount && readUint32(moov, table.chunks.start + 8 + (group + 1) * 12) <= chunk + 1)
      group += 1;
    const samples = groupCount > 0 ? readUint32(moov, table.chunks.start + 8 + group * 12 + 4) : 0;
    let at = readTime(moov, table.offsets.start + 8 + chunk * table.offsetBytes, table.offsetBytes === 8);
    for (let index = 0; index < samples; index += 1) {
      const size = nextSize();
      if (size === null || time > seconds * timescale || !work.step()) return span();
      const [start, end] = [Math.min(from, at), Math.max(to, at + size)];
      if (end - start > maxMediaBytes || !Number.isSafeInteger(end)) return span();
      [from, to] = [start, end];
      at += size;
      time += nextDuration();
    }
  }
  return span();
}

/** The sizes of the samples, one a call; null behind the last. */
function createSizes(moov: Uint8Array, { start, end }: Box): () => number | null {
  const fixed = readUint32(moov, start + 4);
  const count = Math.min(readUint32(moov, start + 8), fixed > 0 ? Infinity : Math.floor((end - start - 12) / 4));
  let sample = -1;
  return () => {
    sample += 1;
    if (sample >= count) return null;
    return fixed || readUint32(moov, start + 12 + sample * 4);
  };
}

/** The durations of the samples, one a call; 0 behind the last. */
function createDurations(moov: Uint8Array, times: Box): () => number {
  const runs = countEntries(moov, times, 8);
  let [run, left, duration] = [0, 0, 0];
  return () => {
    while (left === 0 && run < runs) {
      left = readUint32(moov, times.start + 8 + run * 8);
      duration = readUint32(moov, times.start + 12 + run * 8);
      run += 1;
    }
    if (left === 0) return 0;
    left -= 1;
    return duration;
  };
}

/**
 * Makes a movie file of the first samples of one track: `start`, the movie header, the media.
 *
 * The other tracks become free space, since their samples are not in it. Chunk offsets are moved to the new place.
 */
export function copyTrack(
  start: Uint8Array,
  moov: Uint8Array,
  { tracks }: Movie,
  track: Track,
  media: Uint8Array,
  from: number,
): Uint8Array {
  const header = Buffer.from(moov);
  for (const { at } of tracks) {
    // Behind the size; its own content keeps its length.
    if (at !== track.at) header.write("free", at + 4, "latin1");
  }
  const mediaHeader = Buffer.from("\0\0\0\0mdat", "latin1");
  mediaHeader.writeUInt32BE(mediaHeader.length + media.length);
  const moved = start.length + header.length + mediaHeader.length - from;
  if (track.samples) moveChunks(header, track.samples, moved);
  return Buffer.concat([start, header, mediaHeader, media]);
}

/** Adds to the offsets of the chunks; those before the excerpt are not used. */
function moveChunks(header: Buffer, { offsets, offsetBytes }: SampleTable, moved: number): void {
  const count = Math.min(countEntries(header, offsets, offsetBytes), maxChunks);
  for (let chunk = 0; chunk < count; chunk += 1) {
    const at = offsets.start + 8 + chunk * offsetBytes;
    const offset = Math.max(0, readTime(header, at, offsetBytes === 8) + moved);
    if (offsetBytes === 8) header.writeUInt32BE(Math.min(0xffffffff, Math.floor(offset / 2 ** 32)), at);
    header.writeUInt32BE(offsetBytes === 8 ? offset % 2 ** 32 : Math.min(0xffffffff, offset), at + offsetBytes - 4);
  }
}
