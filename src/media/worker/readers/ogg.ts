import { createDurationMs, createSize } from "../../../domain/size.ts";
import { hasAt, readUint16, readUint32, readUint32LE } from "../../formats/bytes.ts";
import { firstPages, readPage } from "../../formats/ogg.ts";
import type { Facts } from "../../protocol.ts";
import { type Reader, UnreadableError, noSize } from "../reader.ts";
import { beginning, reader as tracks } from "./tracks.ts";

/** Ogg: Vorbis and Opus by the library, Theora, Speex and FLAC, which it does not know, by their first packets. */
export const reader: Reader = {
  ...tracks,
  async measure(body, isWhole) {
    const stream = readStream(body);
    if (!stream) return tracks.measure?.(body, isWhole) ?? Promise.reject(new UnreadableError("no stream"));
    const { width, height, serial, secondsOf } = stream;
    const position = isWhole ? lastPosition(body, serial) : null;
    const seconds = position === null ? 0 : secondsOf(position);
    return { width, height, animated: null, durationMs: seconds > 0 ? createDurationMs(seconds * 1000) : null };
  },
  cut: (body) => Promise.resolve(readStream(body)?.width ? beginning(body, "ogg") : null),
};

interface Stream extends Pick<Facts, "width" | "height"> {
  readonly serial: number;
  /** Converts a granule position of the page headers to seconds. */
  readonly secondsOf: (position: number) => number;
}

/** Finds the first stream of Theora, or else of Speex or FLAC, among the first pages of the streams (RFC 3533 4). */
function readStream(body: Uint8Array): Stream | null {
  let found: Stream | null = null;
  for (const { content, serial } of firstPages(body)) {
    if (hasAt(body, content, "\x80theora")) return readTheora(body, content, serial);
    if (hasAt(body, content, "Speex   ")) found = soundAt(readUint32LE(body, content + 36), serial);
    if (hasAt(body, content, "\x7fFLAC")) found = soundAt(readUint32(body, content + 27) >>> 12, serial);
  }
  return found;
}

/** Theora I specification, 6.2: the picture's size, the frames a second, the aspect of a pixel, and how a position is split. */
function readTheora(body: Uint8Array, at: number, serial: number): Stream {
  const readUint24 = (offset: number) => readUint32(body, at + offset) >>> 8;
  const [width, height] = [readUint24(14), readUint24(17)];
  const framesASecond = readUint32(body, at + 22) / readUint32(body, at + 26);
  const [aspectWidth, aspectHeight] = [readUint24(30), readUint24(33)];
  const aspect = aspectWidth > 0 && aspectHeight > 0 ? aspectWidth / aspectHeight : 1;
  const keyframeBits = (readUint16(body, at + 40) >> 5) & 31;
  return {
    ...(createSize(Math.round(width * aspect), height) ?? noSize),
    serial,
    secondsOf: (position) => {
      const sinceKeyframe = position % 2 ** keyframeBits;
      return ((position - sinceKeyframe) / 2 ** keyframeBits + sinceKeyframe) / framesASecond;
    },
  };
}

/** Speex (its manual, 7.1) and FLAC (RFC 9639, 10.1 and 8.2) count samples. */
function soundAt(rate: number, serial: number): Stream {
  return { ...noSize, serial, secondsOf: (position) => position / rate };
}

// A page has at most 64 kB (RFC 3533 6), so the last one of a stream is near the end.
const searchedBytes = 1024 ** 2;

/** The granule position of a stream's last page; null if none is near the end. */
function lastPosition(body: Uint8Array, serial: number): number | null {
  const tail = Buffer.from(body.buffer, body.byteOffset, body.byteLength);
  const least = Math.max(0, tail.length - searchedBytes);
  for (let at = tail.lastIndexOf("OggS"); at >= least; at = at === 0 ? -1 : tail.lastIndexOf("OggS", at - 1)) {
    const page = readPage(body, at);
    if (page?.serial === serial && page.position < 2 ** 53) return page.position; // else no packet ends there
  }
  return null;
}
