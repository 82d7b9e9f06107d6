import { type Size, createSize } from "../raster.ts";
import { hasAt, readUint16, readUint16LE, readUint32, readUint32LE } from "./bytes.ts";

// The lengths of at most 255 segments follow the header (RFC 3533 6).
const pageHeaderBytes = 27;
export const maxPageHeaderBytes = pageHeaderBytes + 255;

/** A page of an Ogg file (RFC 3533 6). */
export interface Page {
  readonly serial: number;
  readonly isFirst: boolean;
  /** Granule position; null if no packet ends on the page. */
  readonly position: number | null;
  /** Offset of its content, and of the next page. */
  readonly start: number;
  readonly end: number;
  /** Packets that end on it. */
  readonly packets: number;
}

/** Reads the header of a page; null if there is none at the offset, or not all of it. */
export function readPage(bytes: Uint8Array, at: number): Page | null {
  if (!hasAt(bytes, at, "OggS\0")) return null;
  const flags = bytes[at + 5] ?? 0;
  const start = at + pageHeaderBytes + (bytes[at + 26] ?? 0);
  if (start > bytes.length || flags > 7) return null;
  let [end, packets] = [start, 0];
  for (let lacing = at + pageHeaderBytes; lacing < start; lacing += 1) {
    const length = bytes[lacing] ?? 0;
    end += length;
    if (length < 255) packets += 1;
  }
  const position = readUint32LE(bytes, at + 10) * 2 ** 32 + readUint32LE(bytes, at + 6);
  return {
    serial: readUint32LE(bytes, at + 14),
    isFirst: (flags & 2) !== 0,
    position: position < 2 ** 53 ? position : null, // all ones: none
    start,
    end,
    packets,
  };
}

/** A logical stream, from the packet on its first page. */
export interface Stream {
  readonly serial: number;
  readonly kind: "theora" | "vorbis" | "opus" | "speex" | "flac" | "unknown";
  readonly size: Size | null;
  /** Packets before the first one with content; null if their number varies. */
  readonly headerPackets: number | null;
  /** Converts a granule position, or a difference of two, to seconds. */
  readonly secondsOf: (position: number) => number;
  /** Samples at the beginning that are decoded but not played. */
  readonly skipped: number;
  /** The most samples that a packet can have. */
  readonly maxPacketSamples: number;
}

const unknown = { kind: "unknown", size: null, headerPackets: null, skipped: 0, maxPacketSamples: 0 } as const;

// A film with every language of a continent has fewer.
const maxStreams = 64;

/** Iterates over the first page of each stream: they precede all other pages (RFC 3533 4). */
export function* firstPages(bytes: Uint8Array): Generator<Page> {
  let at = 0;
  for (let streams = 0; streams < maxStreams; streams += 1) {
    const page = readPage(bytes, at);
    if (!page?.isFirst) return;
    yield page;
    at = page.end;
  }
}

/** Reads the streams from their first pages, and the offset of the page behind these. */
export function readStreams(bytes: Uint8Array): { readonly streams: readonly Stream[]; readonly end: number } {
  const pages = [...firstPages(bytes)];
  return { streams: pages.map((page) => readStream(bytes, page)), end: pages.at(-1)?.end ?? 0 };
}

function readStream(bytes: Uint8Array, { start: at, serial }: Page): Stream {
  const samples = (rate: number) => ({ secondsOf: (position: number) => position / rate });
  if (hasAt(bytes, at, "\x80theora")) return { ...unknown, ...readTheora(bytes, at), serial };
  if (hasAt(bytes, at, "\x01vorbis")) {
    const rate = readUint32LE(bytes, at + 12);
    const longestBlock = 2 ** ((bytes[at + 28] ?? 0) >> 4); // Vorbis I 4.2.2; half of it overlaps with the next
    return {
      ...unknown,
      ...samples(rate),
      kind: "vorbis",
      serial,
      headerPackets: 3,
      maxPacketSamples: longestBlock / 2,
    };
  }
  if (hasAt(bytes, at, "OpusHead")) {
    const skipped = readUint16LE(bytes, at + 10); // RFC 7845 4 and 5.1: 48 kHz always
    return { ...unknown, ...samples(48_000), kind: "opus", serial, headerPackets: 2, skipped, maxPacketSamples: 5760 };
  }
  // Speex (its manual, 7.1) and FLAC (RFC 9639, 10.1 and 8.2) count samples.
  if (hasAt(bytes, at, "Speex   "))
    return { ...unknown, ...samples(readUint32LE(bytes, at + 36)), kind: "speex", serial };
  if (hasAt(bytes, at, "\x7fFLAC")) {
    return { ...unknown, ...samples(readUint32(bytes, at + 27) >>> 12), kind: "flac", serial };
  }
  return { ...unknown, ...samples(0), serial };
}

const theoraHeaderBytes = 42;

/** Theora I specification, 6.2: the picture's size, the frame rate, the aspect of a pixel, and how a position is split. */
function readTheora(bytes: Uint8Array, at: number): Pick<Stream, "kind" | "size" | "secondsOf"> {
  const readUint24 = (offset: number) => readUint32(bytes, at + offset) >>> 8;
  const [width, height] = [readUint24(14), readUint24(17)];
  const framesPerSecond = readUint32(bytes, at + 22) / readUint32(bytes, at + 26);
  const [aspectWidth, aspectHeight] = [readUint24(30), readUint24(33)];
  const aspect = aspectWidth > 0 && aspectHeight > 0 ? aspectWidth / aspectHeight : 1;
  const keyframeBits = (readUint16(bytes, at + 40) >> 5) & 31;
  const isWhole = at + theoraHeaderBytes <= bytes.length; // without its aspect, the size would be another one
  return {
    kind: "theora",
    size: isWhole ? createSize(Math.round(width * aspect), height) : null,
    secondsOf: (position) => {
      const sinceKeyframe = position % 2 ** keyframeBits;
      return ((position - sinceKeyframe) / 2 ** keyframeBits + sinceKeyframe) / framesPerSecond;
    },
  };
}

// Opus, RFC 6716 3.1: samples of a frame at 48 kHz, by the configuration.
const silkSamples = [480, 960, 1920, 2880];
const hybridSamples = [480, 960];
const celtSamples = [120, 240, 480, 960];

/** Samples of an Opus packet, from its first two bytes (RFC 6716 3.1 and 3.2.5). */
export function countOpusSamples(first: number, second: number): number {
  const configuration = first >> 3;
  const frame =
    configuration < 12
      ? silkSamples[configuration % 4]
      : configuration < 16
        ? hybridSamples[configuration % 2]
        : celtSamples[configuration % 4];
  const code = first & 3;
  return (frame ?? 0) * (code === 0 ? 1 : code === 3 ? second & 63 : 2);
}

/** Offsets and lengths of the packets that begin on a page. */
export function* packetsOn(bytes: Uint8Array, at: number, page: Page): Generator<number> {
  let packet = page.start;
  let offset = page.start;
  for (let lacing = at + pageHeaderBytes; lacing < page.start; lacing += 1) {
    const length = bytes[lacing] ?? 0;
    offset += length;
    if (length === 255) continue;
    yield packet;
    packet = offset;
  }
}
