import { createDurationMs } from "../raster.ts";
import { createWorkBudget, hasAt, readUint32 } from "./bytes.ts";
import type { Row } from "./format.ts";
import { afterTag, findTags } from "./id3.ts";
import type { FactsStep, Need, PreviewStep, ReceivedFile } from "./plan.ts";
import {
  durationFact,
  foundPreview,
  isWhole,
  knownFacts,
  needMore,
  noFacts,
  noPreview,
  wholeFacts,
} from "./received.ts";
import { audio } from "./tracks.ts";
import { hasPictureComment } from "./vorbis-comments.ts";

// Covers of a few megabytes are common; a block has at most 16 MiB (RFC 9639 8.1).
const maxMetadataBytes = 32 * 1024 ** 2;
const streamInfoBytes = 34;
const blockTypes = { streamInfo: 0, comment: 4, picture: 6 };
const frontCover = 3;

/** A metadata block (RFC 9639 8.1). */
interface Block {
  readonly type: number;
  readonly isLast: boolean;
  /** Offset of its header of four bytes, of its content, and of the next one. */
  readonly at: number;
  readonly start: number;
  readonly end: number;
}

/** The blocks whose headers have arrived. */
function* blocks(prefix: Uint8Array, marker: number): Generator<Block> {
  const work = createWorkBudget();
  for (let at = marker + 4; at + 4 <= prefix.length && work.step();) {
    const word = readUint32(prefix, at);
    const end = at + 4 + (word % 2 ** 24);
    const block = { type: (word >>> 24) & 0x7f, isLast: word >= 2 ** 31, at, start: at + 4, end };
    yield block;
    if (block.isLast) return;
    at = end;
  }
}

/** The offset of `fLaC`, behind the ID3 tags of some encoders; or the bytes that are needed to find it. */
function findMarker(file: ReceivedFile): number | { readonly need: Need | null } {
  const { end, isSure } = findTags(file);
  if (hasAt(file.prefix, end, "fLaC")) return end;
  const isMissing = (!isSure || end + 4 > file.prefix.length) && end <= maxMetadataBytes;
  return { need: isMissing ? needMore(file, end + 8 + streamInfoBytes) : null };
}

function planFacts(file: ReceivedFile): FactsStep {
  const marker = findMarker(file);
  if (typeof marker !== "number") return noFacts(marker.need);
  const { prefix } = file;
  for (const { type, start } of blocks(prefix, marker)) {
    if (type !== blockTypes.streamInfo) continue;
    if (start + streamInfoBytes > prefix.length) break;
    // 20 bits of rate, 3 of channels, 5 of depth, 36 of samples (RFC 9639 8.2).
    const rate = readUint32(prefix, start + 10) >>> 12;
    const samples = ((prefix[start + 13] ?? 0) & 15) * 2 ** 32 + readUint32(prefix, start + 14);
    if (samples === 0) return wholeFacts(file);
    return knownFacts(durationFact(createDurationMs((samples / rate) * 1000)));
  }
  return noFacts(needMore(file, marker + 8 + streamInfoBytes));
}

/** The blocks up to the front cover, or all of them; they need no frames. */
function planPreview(file: ReceivedFile): PreviewStep {
  const marker = findMarker(file);
  if (typeof marker !== "number") return noPreview(marker.need);
  const { prefix } = file;
  let last: Block | null = null;
  let mayHaveCover = marker > 0; // in an ID3 tag
  for (const block of blocks(prefix, marker)) {
    if (block.end > prefix.length) {
      return noPreview(block.end <= maxMetadataBytes ? needMore(file, block.end + 4) : null);
    }
    last = block;
    if (block.type === blockTypes.picture) mayHaveCover = true;
    if (block.type === blockTypes.comment) mayHaveCover ||= hasPictureComment(prefix.subarray(block.start, block.end));
    if (block.type === blockTypes.picture && readUint32(prefix, block.start) === frontCover) break;
    if (block.isLast) break;
  }
  const isEnd = last !== null && (last.isLast || last.type === blockTypes.picture);
  if (!last || (!isEnd && !isWhole(file))) return noPreview(needMore(file, last?.end ?? 0));
  if (!mayHaveCover) return noPreview();
  const bytes = Uint8Array.from(prefix.subarray(0, last.end));
  bytes[last.at] = (bytes[last.at] ?? 0) | 0x80; // it is the last one of the excerpt
  return foundPreview(bytes);
}

export const flac = {
  type: "audio/flac",
  kind: "audio",
  readsTags: true,
  matches: (head) => hasAt(head, afterTag(head), "fLaC"), // RFC 9639 6; some encoders put an ID3 tag first
  aliases: ["audio/x-flac"],
  plan: { facts: planFacts, preview: planPreview },
  decoding: audio,
} as const satisfies Row;
