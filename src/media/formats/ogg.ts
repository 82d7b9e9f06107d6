import { type Size, createDurationMs } from "../raster.ts";
import { asBuffer, createWorkBudget, hasAt, memoized } from "./bytes.ts";
import { maxMediaBytes, previewInSteps, usualSeconds } from "./clip.ts";
import type { Row } from "./format.ts";
import {
  type Page,
  type Stream,
  countOpusSamples,
  firstPages,
  maxPageHeaderBytes,
  packetsOn,
  readPage,
  readStreams,
} from "./ogg-streams.ts";
import type { FactsStep, Need, PreviewStep, ReadPlan, ReceivedFile } from "./plan.ts";
import {
  clampToFile,
  durationFact,
  foundPreview,
  isWhole,
  needMore,
  needRange,
  needWhole,
  noPreview,
  readRange,
} from "./received.ts";
import { audio, video } from "./tracks.ts";
import { hasPictureComment } from "./vorbis-comments.ts";

const videoCodecs = ["\x80theora", "\x01video", "BBCD\0"]; // Theora I 6.2, OGM, Dirac
const audioCodecs = ["\x01vorbis", "OpusHead", "\x7fFLAC", "Speex   "]; // Vorbis I 4.2.1, RFC 7845 5.1, FLAC, Speex

/** Sniffs the kind of an Ogg file from the first packets of its streams; null if it is no Ogg (RFC 3533 6). */
function readOgg(head: Uint8Array): "audio" | "video" | "unknown" | null {
  if (!hasAt(head, 0, "OggS\0")) return null;
  let answer: "audio" | "unknown" = "unknown";
  for (const { start } of firstPages(head)) {
    if (videoCodecs.some((codec) => hasAt(head, start, codec))) return "video";
    if (audioCodecs.some((codec) => hasAt(head, start, codec))) answer = "audio";
  }
  return answer;
}

const oggIn = memoized(readOgg);

// A page has at most 64 kB (RFC 3533 6): the last one of a stream is near the end.
const tailBytes = 64 * 1024;
const longTailBytes = 1024 ** 2;
// Covers are comments, in base64. Encoders write pages of 4 to 64 kB.
const maxHeaderBytes = 8 * 1024 ** 2;
const maxHeaderPages = 1024;

/** The streams of an Ogg file, from its first pages. */
interface Beginning {
  /** Streams of which the longest gives the duration. */
  readonly measured: readonly Stream[];
  readonly serials: ReadonlySet<number>;
  /** Samples before the first one, of each measured stream. Null if the first pages do not have it. */
  readonly starts: readonly (number | null)[];
  /** Offset behind the headers of the measured streams. */
  readonly headersEnd: number;
}

/** The first video, and all sounds. */
function measuredOf(streams: readonly Stream[]): readonly Stream[] {
  const video = streams.filter(({ kind }) => kind === "theora").slice(0, 1);
  return [...video, ...streams.filter(({ kind }) => kind !== "theora" && kind !== "unknown")];
}

/** Reads the pages up to the first one with content of each measured stream. */
function readBeginning(file: ReceivedFile): Beginning | { readonly need: Need | null } {
  const { prefix } = file;
  const { streams, end } = readStreams(prefix);
  const measured = measuredOf(streams);
  // Streams that are not there yet may be the measured ones.
  if (!readPage(prefix, end)) {
    const isCut = prefix.length < end + maxPageHeaderBytes && !isWhole(file);
    if (isCut) return { need: needMore(file, end + tailBytes) };
  }
  const serials = new Set(streams.map(({ serial }) => serial));
  const packets = new Map(measured.map(({ serial }) => [serial, 0]));
  const starts = new Map<number, number | null>();
  const work = createWorkBudget(maxHeaderPages);
  let [at, headersEnd] = [0, end];
  while (measured.some(({ serial, headerPackets }) => headerPackets !== null && !starts.has(serial))) {
    const page = work.step() && at < maxHeaderBytes ? readPage(prefix, at) : null;
    if (!page || page.end > prefix.length) {
      const isMore =
        at < maxHeaderBytes && !isWhole(file) && (page !== null || prefix.length < at + maxPageHeaderBytes);
      if (isMore) return { need: needMore(file, Math.max(at, page?.end ?? 0)) };
      break;
    }
    const stream = measured.find(({ serial }) => serial === page.serial);
    const before = packets.get(page.serial) ?? 0;
    if (stream?.headerPackets != null && !starts.has(stream.serial)) {
      if (before < stream.headerPackets) headersEnd = page.end;
      else if (page.position !== null) starts.set(stream.serial, findStart(prefix, at, page, stream));
      packets.set(page.serial, before + page.packets);
    }
    at = page.end;
  }
  return { measured, serials, starts: measured.map(({ serial }) => starts.get(serial) ?? null), headersEnd };
}

/** Samples before the stream begins: a recording of a live stream does not begin at 0. Null if they cannot be counted. */
function findStart(bytes: Uint8Array, at: number, page: Page, stream: Stream): number | null {
  const position = page.position ?? 0;
  if (stream.kind === "opus") {
    let samples = 0;
    for (const packet of packetsOn(bytes, at, page))
      samples += countOpusSamples(bytes[packet] ?? 0, bytes[packet + 1] ?? 0);
    return Math.max(0, position - samples - stream.skipped);
  }
  return position > page.packets * stream.maxPacketSamples ? null : 0;
}

/**
 * The last granule position of each stream in a tail; null if a stream of another chain link is in it (RFC 3533 4).
 *
 * @param beginningEnd offset in the tail behind the first pages of the streams
 */
function readLastPositions(
  tail: Uint8Array,
  serials: ReadonlySet<number>,
  beginningEnd: number,
): Map<number, number> | null {
  const last = new Map<number, number>();
  const work = createWorkBudget();
  const text = asBuffer(tail);
  for (let at = text.indexOf("OggS"); at >= 0 && work.step();) {
    const page = readPage(tail, at);
    if (page && (!serials.has(page.serial) || (page.isFirst && at >= beginningEnd))) return null;
    if (page && page.position !== null) last.set(page.serial, page.position);
    at = text.indexOf("OggS", page ? page.end : at + 4);
  }
  return last;
}

interface OggFacts {
  /** Of the measured stream; null if there is none. */
  readonly kind: Stream["kind"] | null;
  readonly size: Size | null;
  /** Null if it takes the whole file, or if there is none. */
  readonly durationMs: number | null;
  readonly need: Need | null;
}

/** Reads size and duration of an Ogg file from its first pages and its last ones. */
export function readOggFacts(file: ReceivedFile): OggFacts {
  const { streams, end: firstPagesEnd } = readStreams(file.prefix);
  const [stream] = measuredOf(streams);
  const none = { kind: stream?.kind ?? null, size: stream?.size ?? null, durationMs: null };
  const beginning = readBeginning(file);
  if ("need" in beginning) return { ...none, need: beginning.need };
  const { measured, serials, starts } = beginning;
  if (measured.length === 0) return { ...none, need: null };
  // The sound of a video begins with it.
  const isUnknown = measured.some(
    ({ headerPackets }, index) => headerPackets !== null && starts[index] === null && stream?.kind !== "theora",
  );
  if (isUnknown || file.length === null) return { ...none, need: needWhole(file) };
  for (const bytes of [tailBytes, longTailBytes]) {
    const from = Math.max(0, file.length - bytes);
    const tail = readRange(file, from, file.length);
    if (!tail) return { ...none, need: needRange(file, from, file.length) };
    const last = readLastPositions(tail, serials, firstPagesEnd - from);
    if (!last) break;
    // A stream that is not in the longest tail has ended before the others.
    const isLongest = bytes === longTailBytes || from === 0;
    const found = measured.filter(({ serial }) => last.has(serial));
    if (found.length === 0 || (found.length < measured.length && !isLongest)) continue;
    const seconds = measured.map(({ serial, skipped, secondsOf }, index) => {
      const position = last.get(serial);
      return position === undefined ? 0 : secondsOf(Math.max(0, position - skipped)) - secondsOf(starts[index] ?? 0);
    });
    const longest = Math.max(...seconds.filter(Number.isFinite));
    return { ...none, durationMs: longest > 0 ? createDurationMs(longest * 1000) : null, need: null };
  }
  return { ...none, need: needWhole(file) };
}

function planFacts(file: ReceivedFile): FactsStep {
  const { size, durationMs, need } = readOggFacts(file);
  return { known: { ...size, ...durationFact(durationMs) }, measurable: null, need };
}

function planPreview(file: ReceivedFile): PreviewStep {
  const beginning = readBeginning(file);
  if ("need" in beginning) return noPreview(beginning.need);
  const { measured, headersEnd } = beginning;
  const [stream] = measured;
  if (stream?.kind === "theora") return previewVideo(file, stream);
  const header = file.prefix.subarray(0, headersEnd);
  return hasPictureComment(header) ? foundPreview(header) : noPreview();
}

/** The worker gives the first bytes of the file to ffmpeg, of any duration. */
function previewVideo(file: ReceivedFile, stream: Stream): PreviewStep {
  const { prefix } = file;
  const latest = clampToFile(file, maxMediaBytes);
  const usual = findUsualEnd(prefix, stream);
  const need = usual === null ? needMore(file) : null;
  return previewInSteps(
    { make: () => (usual === null ? null : prefix.subarray(0, usual)), need, end: usual },
    {
      make: () => prefix.subarray(0, latest),
      need: latest > prefix.length ? needMore(file, latest) : null,
      end: latest,
    },
  );
}

/** The end of the first page of a stream behind the usual poster; null if it has not arrived. */
function findUsualEnd(prefix: Uint8Array, { serial, secondsOf }: Stream): number | null {
  const work = createWorkBudget();
  let at = 0;
  for (let page = readPage(prefix, at); page && page.end <= prefix.length && work.step(); page = readPage(prefix, at)) {
    at = page.end;
    if (page.serial === serial && secondsOf(page.position ?? 0) > usualSeconds) return at;
  }
  return null;
}

const plan: ReadPlan = { facts: planFacts, preview: planPreview };

export const oggVideo = {
  type: "video/ogg",
  kind: "video",
  matches: (head) => oggIn(head) === "video", // RFC 5334
  aliases: ["application/ogg"],
  plan,
  decoding: { ...video, reader: "ogg" },
} as const satisfies Row;

export const oggAudio = {
  type: "audio/ogg",
  kind: "audio",
  matches: (head) => oggIn(head) === "audio",
  aliases: ["application/ogg", "audio/opus", "audio/x-opus+ogg", "audio/vorbis", "audio/x-vorbis+ogg"],
  plan,
  decoding: { ...audio, reader: "ogg" },
} as const satisfies Row;

export const ogg = {
  type: "application/ogg",
  kind: "audio",
  matches: (head) => oggIn(head) === "unknown",
  refinedBy: /^(?:audio|video)\/(?:x-)?(?:ogg|opus|vorbis|speex|theora|flac)/,
  plan,
  decoding: { ...audio, reader: "ogg" },
} as const satisfies Row;
