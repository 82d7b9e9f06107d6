import { createWorkBudget, hasAt, memoized, readUint32LE } from "./bytes.ts";
import type { Row } from "./format.ts";
import { audio, video } from "./tracks.ts";

const videoCodecs = ["\x80theora", "\x01video", "BBCD\0"]; // Theora I 6.2, OGM, Dirac
const audioCodecs = ["\x01vorbis", "OpusHead", "\x7fFLAC", "Speex   "]; // Vorbis I 4.2.1, RFC 7845 5.1, FLAC, Speex

// RFC 3533 6: the header of a page, before the lengths of its segments.
const pageHeaderBytes = 27;

/** A page of an Ogg file. */
export interface OggPage {
  /** Whether a stream begins with it. */
  readonly isFirst: boolean;
  /** The number of its stream. */
  readonly serial: number;
  /** Granule position, whose unit depends on the codec; 2^64 - 1 if no packet ends on this page. */
  readonly position: number;
  /** Offset of the content. */
  readonly content: number;
}

/** Reads the header of the page at an offset (RFC 3533 6); null if none begins there. */
export function readPage(bytes: Uint8Array, at: number): OggPage | null {
  if (!hasAt(bytes, at, "OggS\0")) return null;
  return {
    isFirst: ((bytes[at + 5] ?? 0) & 2) !== 0,
    serial: readUint32LE(bytes, at + 14),
    position: readUint32LE(bytes, at + 10) * 2 ** 32 + readUint32LE(bytes, at + 6),
    content: at + pageHeaderBytes + (bytes[at + 26] ?? 0),
  };
}

/** The first page of each stream, a step each: they precede all other pages (RFC 3533 4). */
export function* firstPages(bytes: Uint8Array): Generator<OggPage> {
  const work = createWorkBudget();
  let at = 0;
  for (let page = readPage(bytes, at); page?.isFirst && work.step(); page = readPage(bytes, at)) {
    yield page;
    const lengths = bytes.subarray(at + pageHeaderBytes, page.content);
    at = page.content + lengths.reduce((sum, length) => sum + length, 0);
  }
}

/** Sniffs the kind of an Ogg file from the first packets of its streams; null if it is no Ogg (RFC 3533 6). */
export function readOgg(head: Uint8Array): "audio" | "video" | "unknown" | null {
  if (!readPage(head, 0)) return null;
  let answer: "audio" | "unknown" = "unknown";
  for (const { content } of firstPages(head)) {
    if (videoCodecs.some((codec) => hasAt(head, content, codec))) return "video";
    if (audioCodecs.some((codec) => hasAt(head, content, codec))) answer = "audio";
  }
  return answer;
}

const oggIn = memoized(readOgg);

export const oggVideo = {
  type: "video/ogg",
  kind: "video",
  matches: (head) => oggIn(head) === "video", // RFC 5334
  aliases: ["application/ogg"],
  decoding: { ...video, reader: "ogg" },
} as const satisfies Row;

export const oggAudio = {
  type: "audio/ogg",
  kind: "audio",
  matches: (head) => oggIn(head) === "audio",
  aliases: ["application/ogg", "audio/opus", "audio/x-opus+ogg", "audio/vorbis", "audio/x-vorbis+ogg"],
  decoding: { ...audio, reader: "ogg" },
} as const satisfies Row;

export const ogg = {
  type: "application/ogg",
  kind: "audio",
  matches: (head) => oggIn(head) === "unknown",
  refinedBy: /^(?:audio|video)\/(?:x-)?(?:ogg|opus|vorbis|speex|theora|flac)/,
  decoding: { ...audio, reader: "ogg" },
} as const satisfies Row;
