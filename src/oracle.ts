import { type Oracle, type Previous, type Progress, startDescription } from "./domain/description.ts";
import { type Fields, missingIn } from "./domain/fields.ts";
import { type Metadata, previewOf, unknownMetadata, type WarningCode } from "./domain/metadata.ts";
import type { Admission } from "./load/admission.ts";
import { startTimeLimit } from "./domain/timeout.ts";
import { countedIn, declaredBy } from "./fetch/facts.ts";
import type { Body, OpenSource, Source } from "./fetch/source.ts";
import type { Decoder, Picture } from "./media/decode/decoder.ts";
import type { Format } from "./media/formats/index.ts";
import type { Excerpt } from "./media/formats/plan.ts";
import {
  decodeQueueOf,
  type Extent,
  extentOf,
  factFields,
  hasAllFacts,
  isMedia,
  isMissing,
  previewFields,
} from "./media/needs.ts";
import { formatOf } from "./early-preview.ts";
import { createReading, factsOf, type Reading, type Rest } from "./reading.ts";

export interface OracleOptions {
  readonly admission: Admission;
  readonly openSource: OpenSource;
  readonly decoder: Decoder;
  readonly decodeOnce: DecodeOnce;
  /** Timeout from the start of the lookup to the last byte, the wait for a slot included. */
  readonly fetchTimeoutMs: number;
  /** Largest declared length of a body that is read to its end if no `fields` are requested. */
  readonly wholeBytes: number;
  /** Wait for the rest of a body before an excerpt of it is decoded, for callers with short deadlines. */
  readonly patienceMs: number;
}

/** Deduplicates decoding by SHA-256: returns the cached or the in-flight result. */
export type DecodeOnce = (
  sha256: string,
  decode: () => Promise<Picture>,
) => Promise<{ readonly result: Picture; readonly isOwn: boolean }>;

/** A near origin has sent everything by then: decoding an excerpt as well would only be more work. */
export const earlyDecode = { patienceMs: 50 };

// Assumed length of a body without Content-Length.
const guessedBytes = 1024 ** 2;

// The clip or the first frame of a file that is not read to its end.
const plannedBytes = 4 * 1024 ** 2;

// What an excerpt must save to be decoded instead of a whole body: 1 ms of sending it to a worker.
const minSavedBytes = 512 * 1024;

/**
 * The pipeline: target → slot → source → head → decode queue → body → decode and hash. Each step uses the result of the one before.
 *
 * The body is read by the read plan of its format (reading.ts): to its end if its hash is requested, else as far as the
 * requested fields need.
 */
export function createOracle(options: OracleOptions): Oracle {
  const { admission, openSource, decoder, decodeOnce, fetchTimeoutMs, wholeBytes, patienceMs } = options;
  return (target, fields = null, previous) =>
    startDescription(async (progress) => {
      admission.shedLoad();
      using limit = startTimeLimit(fetchTimeoutMs);
      using lookup = await progress.timed("queue", admission.admit(target, limit.signal));
      // Closed only at the end: until then the body counts against the byte budget.
      using source = await progress.timed("fetch", openSource(target, previous?.validators ?? null, lookup.transfer));
      progress.setCacheHeaders(source.terms);
      if (source.isNotModified) return progress.confirm(previous?.metadata ?? unknownMetadata);
      progress.learn(declaredBy(source));
      const reading = createReading({ source, fields, progress, decoder, patienceMs });
      await progress.timed("fetch", reading.readHead());
      const extent = extentOf(source, reading.format, progress.learn({}), fields, wholeBytes);
      const queue = extent === "head" ? null : decodeQueueOf(reading.format);
      const expectedBytes = expectedBytesOf(source, extent);
      using permit = queue && (await progress.timed("queue", lookup.enterDecodeQueue(queue, expectedBytes)));
      // The decode queue is full: skip the body instead of adding latency for all callers.
      const isTooLate = queue !== null && !permit;
      const rest = await progress.timed("fetch", isTooLate ? reading.stop() : readRest(reading, extent));
      permit?.arrived();
      lookup.releaseSlot(); // other lookups can fetch while this one is decoded
      const { format } = reading;
      progress.learn(countedIn(rest.body));
      const isCut = rest.body.warning !== null;
      if (!isCut && isTooLate) {
        progress.setDecodeTimeoutCause("queue_full");
        return progress.learn({ warnings: ["decode_timeout"] });
      }
      const isDecoded = format !== null && (await decode(rest, format, fields, previous, progress));
      // Of a file that is no media nothing more can be known.
      const isComplete = isDecoded || !isMedia(format, progress.learn({}).type);
      if (!isCut && !isComplete) progress.limitTo(fields);
      if (source.isTooLarge && !isCut && extent !== "head" && isIncomplete(progress.learn({}), fields)) {
        progress.learn({ warnings: ["body_too_large"] });
      }
      return progress.learn({});
    });

  /**
   * Decodes the body: all of it, or the excerpt for the preview. Of a truncated body without an excerpt only the
   * dimensions are read: half a picture has another hash.
   *
   * @returns whether nothing more can be known of the file
   */
  async function decode(
    { body, excerpt, isPreviewed }: Rest,
    format: Format,
    fields: Fields,
    previous: Previous | undefined,
    progress: Progress,
  ): Promise<boolean> {
    const isWhole = body.sha256 !== null;
    const before = seenBefore(body, previous);
    if (before) progress.learn(before);
    if (before || (isPreviewed && !isMissing(factFields, progress.learn({}), fields))) return isWhole;
    if (fields !== null && !isMissing([...factFields, ...previewFields], progress.learn({}), fields)) return false;
    if (body.sha256 !== null) {
      const known = progress.learn({});
      const { result, isOwn } = await decodeOnce(body.sha256, () => describeWhole(body.bytes, format, known));
      // The read plan knows better: of an excerpt or of a cut file a worker may not see all frames.
      const animated = known.animated !== null || result.animated === null ? {} : { animated: result.animated };
      progress.learn({ ...factsOf(result), ...animated, ...learnedPreview(result), warnings: warningsOf(result) });
      if (result.decodeTimeoutCause) progress.setDecodeTimeoutCause(result.decodeTimeoutCause);
      if (isOwn) countTimes(result, progress); // else the time belongs to another lookup
    } else if (excerpt) {
      const picture = await decoder.describe(excerpt.bytes, formatOf(excerpt) ?? format);
      // A truncated body already has its own warning.
      progress.learn({ ...learnedPreview(picture), warnings: body.warning ? [] : warningsOf(picture) });
      if (picture.decodeTimeoutCause && !body.warning) progress.setDecodeTimeoutCause(picture.decodeTimeoutCause);
      countTimes(picture, progress);
    } else if (body.warning && isMissing(factFields, progress.learn({}), fields)) {
      progress.learn(factsOf(await decoder.measure(body.bytes, format)));
    }
    return isWhole;
  }

  /**
   * Decodes a whole body. If all its facts are known, a much shorter excerpt with the same preview is enough, such as the
   * cover of a song. Not of a still picture: to search its end takes 1 ms a megabyte, and mostly nothing follows.
   */
  async function describeWhole(body: Uint8Array, format: Format, known: Metadata): Promise<Picture> {
    const mayBeShort = body.byteLength > minSavedBytes && known.animated !== false && hasAllFacts(format, known);
    const excerpt = mayBeShort ? findExcerpt(body, format) : null;
    if (excerpt && body.byteLength - excerpt.bytes.byteLength >= minSavedBytes) {
      const picture = await decoder.describe(excerpt.bytes, formatOf(excerpt) ?? format);
      const { width, height, animated, durationMs } = known;
      if (picture.blurhash !== null) return { ...picture, width, height, animated, durationMs };
    }
    return decoder.describe(body, format);
  }
}

/** Finds an excerpt of a whole file with the same preview; null if there is none. */
function findExcerpt(body: Uint8Array, { plan }: Format): Excerpt | null {
  const { excerpt } = plan.preview({ prefix: body, parts: [], length: body.byteLength });
  return excerpt?.accuracy === "exact" ? excerpt : null;
}

/** Reads the rest of a body, of which the head has been read. */
function readRest(reading: Reading, extent: Extent): Promise<Rest> {
  if (extent === "head") return reading.stop();
  return extent === "whole" ? reading.readWhole() : reading.readPlanned();
}

/** The size of a body for the decode queue: the bytes of it that will probably be read. */
function expectedBytesOf({ declaredBytes }: Source, extent: Extent): number {
  const bytes = declaredBytes ?? guessedBytes;
  return extent === "planned" ? Math.min(bytes, plannedBytes) : bytes;
}

/** Whether a requested field is unknown; without `fields`, the hash of a body that is not read to its end always is. */
function isIncomplete(known: Metadata, fields: Fields): boolean {
  return fields === null || missingIn(known, fields).length > 0;
}

function warningsOf({ warning }: Picture): readonly WarningCode[] {
  return warning ? [warning] : [];
}

function countTimes({ queueMs, decodeMs, hashMs }: Picture, progress: Progress): void {
  progress.addTime("queue", queueMs);
  progress.addTime("decode", decodeMs);
  progress.addTime("hash", hashMs);
}

/** Returns the preview; nothing if there is none, so that it replaces no earlier one. */
function learnedPreview(picture: Picture): Partial<Metadata> {
  return picture.blurhash === null ? {} : previewOf(picture);
}

/** Returns the earlier decode result if the origin sent the same bytes again. */
function seenBefore({ sha256 }: Body, previous: Previous | undefined): Partial<Metadata> | null {
  if (sha256 === null || sha256 !== previous?.metadata.sha256 || previous.metadata.blurhash === null) return null;
  const { width, height, animated, durationMs } = previous.metadata;
  return { width, height, animated, durationMs, ...previewOf(previous.metadata) };
}
