import { setTimeout as after } from "node:timers/promises";
import { type Oracle, type Previous, type Progress, startDescription } from "./domain/description.ts";
import type { Fields } from "./domain/fields.ts";
import { type Metadata, unknownMetadata } from "./domain/metadata.ts";
import { startTimeLimit } from "./domain/timeout.ts";
import { countedIn, declaredBy } from "./fetch/facts.ts";
import type { Body, OpenSource, Source } from "./fetch/source.ts";
import type { Admission } from "./load/admission.ts";
import type { Decoder, Picture } from "./media/decode/decoder.ts";
import type { Format } from "./media/formats/index.ts";
import { type Head, isMedia, readHead } from "./media/formats/head.ts";
import { movieOffset, withoutMedia } from "./media/formats/isobmff.ts";
import { decodeQueueOf, isMovieWanted, suffices } from "./media/needs.ts";
import { beginningOf, enoughBytes } from "./media/formats/progressive.ts";
import { mediaType, sniffBytes } from "./media/formats/sniff.ts";

export interface OracleOptions {
  readonly admission: Admission;
  readonly openSource: OpenSource;
  readonly decoder: Decoder;
  readonly decodeOnce: DecodeOnce;
  /** Timeout from the start of the lookup to the last byte, the wait for a slot included. */
  readonly fetchTimeoutMs: number;
  /** Whether a progressive JPEG is read only as far as its hash needs; it then has declared `bytes` and no SHA-256. */
  readonly stopEarly: boolean;
  /** Wait for the rest of a picture before its prefix is decoded, for callers with short deadlines. */
  readonly patienceMs: number;
}

/** Deduplicates decoding by SHA-256: returns the cached or the in-flight result. */
export type DecodeOnce = (
  sha256: string,
  decode: () => Promise<Picture>,
) => Promise<{ readonly result: Picture; readonly isOwn: boolean }>;

/** The sniffed format, and whether to read on: `answered` if all requested fields are known, `of no use` if it is no media. */
interface Beginning {
  readonly format: Format | null;
  readonly rest: "wanted" | "answered" | "of no use";
}

/** A body and its format. */
interface DecodeInput {
  readonly format: Format;
  readonly body: Body;
  /** Declared length of the whole body. */
  readonly declaredBytes: number | null;
}

/** A near origin has sent everything by then: decoding a prefix as well would only be more work. */
export const earlyDecode = { patienceMs: 50 };

// Assumed length of a body without Content-Length.
const guessedBytes = 1024 ** 2;

/** The pipeline: target → slot → source → head → decode queue → body → decode and hash. Each step uses the result of the one before. */
export function createOracle(options: OracleOptions): Oracle {
  const { admission, openSource, decoder, decodeOnce, fetchTimeoutMs, stopEarly, patienceMs } = options;
  return (target, fields = null, previous) =>
    startDescription(async (progress) => {
      admission.shedLoad();
      using limit = startTimeLimit(fetchTimeoutMs);
      using lookup = await progress.timed("queue", admission.admit(target, limit.signal));
      // Closed only at the end: until then the body counts against the byte budget.
      using source = await progress.timed("fetch", openSource(target, previous?.validators ?? null, lookup.transfer));
      progress.setCacheHeaders(source.terms);
      if (source.isNotModified) return progress.confirm(previous?.metadata ?? unknownMetadata);
      const { format, rest } = await progress.timed("fetch", readBeginning(source, fields, progress));
      const queue = rest === "wanted" ? decodeQueueOf(format) : null;
      const expectedBytes = source.declaredBytes ?? guessedBytes;
      using permit = queue && (await progress.timed("queue", lookup.enterDecodeQueue(queue, expectedBytes)));
      // The decode queue is full: skip the body instead of adding latency for all callers.
      const isTooLate = queue !== null && !permit;
      if (rest !== "wanted" || isTooLate) source.stop();
      const body = await progress.timed("fetch", readBody(source, format, progress));
      permit?.arrived();
      lookup.releaseSlot(); // other lookups can fetch while this one is decoded
      const { bytes } = progress.learn(countedIn(body));
      const isCut = body.warning !== null;
      if (!isCut && !format && bytes !== 0) progress.learn({ warnings: ["decode_failed"] });
      if (!isCut && rest === "answered") progress.limitTo(fields);
      else if (!isCut && isTooLate) progress.learn({ warnings: ["decode_timeout"] });
      else if (format && !isTooLate)
        await decode({ format, body, declaredBytes: source.declaredBytes }, previous, progress);
      return progress.learn({});
    });

  /** Reads the head: sniffs the format and decides whether to read on. */
  async function readBeginning(source: Source, fields: Fields, progress: Progress): Promise<Beginning> {
    progress.learn(declaredBy(source));
    const { format } = await learnHead(source, progress);
    if (format && isMovieWanted(source.isTooLarge, progress.learn({}), fields))
      await learnMovie(source, format, progress);
    const known = progress.learn({});
    progress.reportHead();
    if (!isMedia(format, known.type)) return { format, rest: "of no use" };
    return { format, rest: suffices(known, format, fields) ? "answered" : "wanted" };
  }

  /** Reads the movie header at the end of a file by a range request, for dimensions and duration. */
  async function learnMovie(source: Source, format: Format, progress: Progress): Promise<void> {
    if (format.kind !== "video" && format.kind !== "audio") return;
    const head = (await source.arrived(1)).slice(0, sniffBytes);
    const from = movieOffset(head);
    if (from === null) return;
    using tail = await source.tail(from);
    if (!tail) return;
    const { bytes } = await tail.body();
    progress.learn(factsOf(await decoder.measure(withoutMedia(head, bytes), format)));
  }

  /** Reads the body to the end, or as far as the hash needs it; decodes the prefix of a slow progressive JPEG early. */
  async function readBody(source: Source, format: Format | null, progress: Progress): Promise<Body> {
    if (format?.name !== "jpeg") return source.body();
    const enough = enoughBytes((bytes) => source.arrived(bytes), source.declaredBytes);
    // Without counting, `bytes` must be declared.
    if (stopEarly && source.declaredBytes !== null) {
      if ((await enough) !== null) source.stop();
      return source.body();
    }
    const end = new AbortController();
    lookEarly(source, format, enough, progress, end.signal).catch(() => null); // the body has the error
    try {
      return await source.body();
    } finally {
      end.abort();
    }
  }

  /** Decodes the prefix of a picture for its hash, unless the end arrives first. */
  async function lookEarly(
    source: Source,
    format: Format,
    enough: Promise<number | null>,
    progress: Progress,
    end: AbortSignal,
  ): Promise<void> {
    const bytes = await enough;
    if (bytes === null) return;
    await after(patienceMs, null, { signal: end });
    const beginning = beginningOf(await source.arrived(bytes), source.declaredBytes);
    if (!beginning) return;
    const { blurhash, thumbhash, animated } = await decoder.describe(beginning, format, end);
    if (!end.aborted && blurhash !== null) progress.learn({ blurhash, thumbhash, animated });
  }

  async function decodeBody({
    format,
    body,
    declaredBytes,
  }: DecodeInput): Promise<{ picture: Picture; isOwn: boolean }> {
    const { bytes, sha256 } = body;
    if (sha256 !== null) {
      const { result, isOwn } = await decodeOnce(sha256, () => decoder.describe(bytes, format));
      return { picture: result, isOwn };
    }
    const beginning = format.name === "jpeg" ? beginningOf(bytes, declaredBytes) : null;
    const picture = beginning ? decoder.describe(beginning, format) : decoder.measure(bytes, format);
    return { picture: await picture, isOwn: true };
  }

  /** Decodes the body. A truncated body has mostly its dimensions only: half a picture has another hash. */
  async function decode(sight: DecodeInput, previous: Previous | undefined, progress: Progress): Promise<void> {
    const known = seenBefore(sight.body, previous);
    if (known) return void progress.learn(known);
    const { picture, isOwn } = await decodeBody(sight);
    const { animated, blurhash, thumbhash, warning } = picture;
    // A truncated body already has its own warning.
    const warnings = warning && !sight.body.warning ? [warning] : [];
    progress.learn({ ...factsOf(picture), animated, blurhash, thumbhash, warnings });
    if (!isOwn) return; // the time belongs to another lookup
    progress.took("queue", picture.queueMs);
    progress.took("decode", picture.decodeMs);
    progress.took("hash", picture.hashMs);
  }
}

/** Sniffs the first bytes while they arrive. */
async function learnHead(source: Source, progress: Progress): Promise<Head> {
  let last: Head = { format: null, size: null, bytes: 0 };
  for await (const head of readHead((bytes) => source.arrived(bytes))) {
    last = head;
    // For unknown bytes and text, Content-Type can be more precise.
    if (!head.format || head.format.kind === "text") continue;
    progress.learn({ type: mediaType(head.format, source.declaredType).type, ...head.size });
  }
  const { type, mismatch } = mediaType(last.format, source.declaredType);
  progress.learn({ type, warnings: mismatch ? ["type_mismatch"] : [] });
  return last;
}

/** Returns the known dimensions and duration; unknown ones keep their earlier value. */
function factsOf({ width, height, durationMs }: Picture): Partial<Metadata> {
  return { ...(width !== null && { width, height }), ...(durationMs !== null && { durationMs }) };
}

/** Returns the earlier decode result if the origin sent the same bytes again. */
function seenBefore({ sha256 }: Body, previous: Previous | undefined): Partial<Metadata> | null {
  if (sha256 === null || sha256 !== previous?.metadata.sha256 || previous.metadata.blurhash === null) return null;
  const { width, height, animated, durationMs, blurhash, thumbhash } = previous.metadata;
  return { width, height, animated, durationMs, blurhash, thumbhash };
}
