import { setTimeout as after } from "node:timers/promises";
import { type Oracle, type Previous, type Progress, startDescription } from "./domain/description.ts";
import type { Fields } from "./domain/fields.ts";
import { type Metadata, unknownMetadata } from "./domain/metadata.ts";
import { startTimeLimit } from "./fetch/deadline.ts";
import { countedIn, declaredBy } from "./fetch/facts.ts";
import type { Slots } from "./fetch/slots.ts";
import type { Body, OpenSource, Source } from "./fetch/source.ts";
import type { Decoder, Picture } from "./media/decoder.ts";
import type { Format } from "./media/formats.ts";
import { type Head, isMedia, readHead } from "./media/head.ts";
import { movieOffset, withoutMedia } from "./media/isobmff.ts";
import { isMovieWanted, suffices } from "./media/needs.ts";
import { beginningOf, enoughBytes } from "./media/progressive.ts";
import { mediaType, sniffBytes } from "./media/sniff.ts";

export interface OracleOptions {
  readonly slots: Slots;
  readonly openSource: OpenSource;
  readonly decoder: Decoder;
  readonly pictureOnce: PictureOnce;
  /** From the moment the lookup is asked for to the last byte, waiting for a slot included. */
  readonly fetchTimeoutMs: number;
  /** Whether no more is read of a picture than its hash needs: its bytes are then not counted, and not hashed. */
  readonly stopEarly: boolean;
  /** How long the rest of a picture may take before its beginning is looked at, for those who cannot wait for it. */
  readonly patienceMs: number;
}

/** Looks at the same bytes once: gives what was seen in them before, at whatever URL, or is being seen. */
export type PictureOnce = (
  sha256: string,
  look: () => Promise<Picture>,
) => Promise<{ readonly result: Picture; readonly isOwn: boolean }>;

/** A body that is worth a look, and what it is. */
interface Sight {
  readonly format: Format;
  readonly body: Body;
  /** Of all of it, where not all was read. */
  readonly declaredBytes: number | null;
}

/** The pipeline: target → slot → source → head → body → decode and hash. Each step takes what the one before gave. */
export function createOracle(options: OracleOptions): Oracle {
  const { slots, openSource, decoder, pictureOnce, fetchTimeoutMs, stopEarly, patienceMs } = options;
  return (target, fields = null, previous) =>
    startDescription(async (progress) => {
      using limit = startTimeLimit(fetchTimeoutMs);
      using slot = await progress.timed("queue", slots.take(target.url.host, limit.signal));
      // Closed only at the very end: until then the body counts against the memory for bodies.
      using source = await progress.timed("fetch", openSource(target, previous?.validators ?? null, limit.signal));
      progress.heard(source.terms);
      if (source.isNotModified) return progress.confirm(previous?.metadata ?? unknownMetadata);
      const sight = await progress.timed("fetch", read(source, fields, progress));
      slot.release(); // others may fetch while this one is decoded
      if (sight) await look(sight, previous, progress);
      return progress.learn({});
    });

  /** Tells what the source is, and reads as much of it as is needed; null where there is nothing to look at. */
  async function read(source: Source, fields: Fields, progress: Progress): Promise<Sight | null> {
    progress.learn(declaredBy(source));
    const { format, bytes } = await learnHead(source, progress);
    if (format && isMovieWanted(source.isTooLarge, progress.learn({}), fields))
      await learnMovie(source, format, progress);
    const known = progress.learn({});
    progress.headRead();
    const isWorthReading = isMedia(format, known.type);
    const isAnswered = isWorthReading && suffices(known, format, fields);
    // What would be looked at too late is not read: that would only make all others later.
    const isTooLate = isWorthReading && !isAnswered && format !== null && decoder.isBehind(format);
    if (!isWorthReading || isAnswered || isTooLate) source.stop();
    const body = await readBody(source, format, progress);
    progress.learn(countedIn(body));
    if (!format && !body.warning && bytes > 0) progress.learn({ warnings: ["decode_failed"] });
    if (isAnswered && !body.warning) {
      progress.leaveAt(fields);
      return null;
    }
    if (isTooLate) {
      if (!body.warning) progress.learn({ warnings: ["decode_timeout"] });
      return null;
    }
    return format && { format, body, declaredBytes: source.declaredBytes };
  }

  /** Learns what the header of a movie tells, where that stands at the end of it, by reading that alone. */
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

  /** Reads to the end, or as far as a hash needs it; looks at the beginning of a picture whose end takes its time. */
  async function readBody(source: Source, format: Format | null, progress: Progress): Promise<Body> {
    if (format?.name !== "jpeg") return source.body();
    const enough = enoughBytes((bytes) => source.arrived(bytes), source.declaredBytes);
    // What is not counted must have been declared.
    if (stopEarly && source.declaredBytes !== null) {
      if ((await enough) !== null) source.stop();
      return source.body();
    }
    const end = new AbortController();
    lookEarly(source, format, enough, progress, end.signal).catch(() => null); // the body tells why
    try {
      return await source.body();
    } finally {
      end.abort();
    }
  }

  /** Learns the hash of a picture by its beginning, unless its end comes first. */
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

  async function see({ format, body, declaredBytes }: Sight): Promise<{ picture: Picture; isOwn: boolean }> {
    const { bytes, sha256 } = body;
    if (sha256 !== null) {
      const { result, isOwn } = await pictureOnce(sha256, () => decoder.describe(bytes, format));
      return { picture: result, isOwn };
    }
    const beginning = format.name === "jpeg" ? beginningOf(bytes, declaredBytes) : null;
    const picture = beginning ? decoder.describe(beginning, format) : decoder.measure(bytes, format);
    return { picture: await picture, isOwn: true };
  }

  /** Learns what the pixels tell. Of a body that is not whole mostly the dimensions alone: half a picture has another hash. */
  async function look(sight: Sight, previous: Previous | undefined, progress: Progress): Promise<void> {
    const known = seenBefore(sight.body, previous);
    if (known) return void progress.learn(known);
    const { picture, isOwn } = await see(sight);
    const { animated, blurhash, thumbhash, warning } = picture;
    // That half a file cannot be measured is said by the body's own warning already.
    const warnings = warning && !sight.body.warning ? [warning] : [];
    progress.learn({ ...factsOf(picture), animated, blurhash, thumbhash, warnings });
    if (!isOwn) return; // the time was another lookup's
    progress.took("queue", picture.queueMs);
    progress.took("decode", picture.decodeMs);
    progress.took("hash", picture.hashMs);
  }
}

/** Learns what the first bytes tell, while they come. */
async function learnHead(source: Source, progress: Progress): Promise<Head> {
  let last: Head = { format: null, size: null, bytes: 0 };
  for await (const head of readHead((bytes) => source.arrived(bytes))) {
    last = head;
    // The header may know more of what the first bytes do not tell, or what any text begins with.
    if (!head.format || head.format.kind === "text") continue;
    progress.learn({ type: mediaType(head.format, source.declaredType).type, ...head.size });
  }
  const { type, mismatch } = mediaType(last.format, source.declaredType);
  progress.learn({ type, warnings: mismatch ? ["type_mismatch"] : [] });
  return last;
}

/** What was told stays so where this tells nothing. */
function factsOf({ width, height, durationMs }: Picture): Partial<Metadata> {
  return { ...(width !== null && { width, height }), ...(durationMs !== null && { durationMs }) };
}

/** What the pixels told of the very same bytes, where the source sent them again. */
function seenBefore({ sha256 }: Body, previous: Previous | undefined): Partial<Metadata> | null {
  if (sha256 === null || sha256 !== previous?.metadata.sha256 || previous.metadata.blurhash === null) return null;
  const { width, height, animated, durationMs, blurhash, thumbhash } = previous.metadata;
  return { width, height, animated, durationMs, blurhash, thumbhash };
}
