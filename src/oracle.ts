import { type Oracle, type Previous, type Progress, type Stage, startDescription } from "./domain/description.ts";
import { type Metadata, unknownMetadata } from "./domain/metadata.ts";
import type { Slots } from "./fetch/slots.ts";
import type { Body, OpenSource, Source } from "./fetch/source.ts";
import type { Decoder, Picture } from "./media/decoder.ts";
import type { Format } from "./media/formats.ts";
import { mediaType, sniff, sniffBytes } from "./media/sniff.ts";

export interface OracleOptions {
  readonly slots: Slots;
  readonly openSource: OpenSource;
  readonly decoder: Decoder;
  readonly pictureOnce: PictureOnce;
  /** From the moment the lookup is asked for to the last byte, waiting for a slot included. */
  readonly fetchTimeoutMs: number;
}

/** Looks at the same bytes once: gives what was seen in them before, at whatever URL, or is being seen. */
export type PictureOnce = (
  sha256: string,
  look: () => Promise<Picture>,
) => Promise<{ readonly result: Picture; readonly isOwn: boolean }>;

/** The pipeline: target → slot → source → sniff → read → decode and hash. Each step takes what the one before gave. */
export function createOracle(options: OracleOptions): Oracle {
  const { slots, openSource, decoder, pictureOnce, fetchTimeoutMs } = options;
  return (target, previous) =>
    startDescription(async (progress) => {
      using limit = startTimeLimit(fetchTimeoutMs);
      using slot = await timed(progress, "queue", slots.take(target.url.host, limit.signal));
      // Closed only at the very end: until then the body counts against the memory for bodies.
      using source = await timed(progress, "fetch", openSource(target, previous?.validators ?? null, limit.signal));
      progress.heard(source.terms);
      if (source.isNotModified) return progress.confirm(previous?.metadata ?? unknownMetadata);
      const { format, body } = await timed(progress, "fetch", read(source, progress));
      slot.release(); // others may fetch while this one is decoded
      if (format) await look(format, body, previous, progress);
      return progress.learn({});
    });

  async function see(format: Format, { bytes, sha256 }: Body): Promise<{ picture: Picture; isOwn: boolean }> {
    if (sha256 === null) return { picture: await decoder.measure(bytes, format), isOwn: true };
    const { result, isOwn } = await pictureOnce(sha256, () => decoder.describe(bytes, format));
    return { picture: result, isOwn };
  }

  /** Learns what the pixels tell. Of a body that is not whole only the dimensions: half a picture has another hash. */
  async function look(format: Format, body: Body, previous: Previous | undefined, progress: Progress): Promise<void> {
    const known = seenBefore(body, previous);
    if (known) return void progress.learn(known);
    const { picture, isOwn } = await see(format, body);
    const { width, height, animated, blurhash, thumbhash, warning } = picture;
    // That half a file cannot be measured is said by the body's own warning already.
    const warnings = warning && !body.warning ? [warning] : [];
    progress.learn({ width, height, animated, blurhash, thumbhash, warnings });
    if (!isOwn) return; // the time was another lookup's
    progress.took("queue", picture.queueMs);
    progress.took("decode", picture.decodeMs);
    progress.took("hash", picture.hashMs);
  }
}

/** Reads the source to its end, and tells what it is before that. */
async function read(source: Source, progress: Progress): Promise<{ format: Format | null; body: Body }> {
  progress.learn(declaredBy(source));
  const head = (await source.arrived(sniffBytes)).slice(0, sniffBytes);
  const format = sniff(head);
  const { type, mismatch } = mediaType(format, source.declaredType);
  progress.learn({ type, warnings: mismatch ? ["type_mismatch"] : [] });
  const body = await source.body();
  progress.learn(countedIn(body));
  if (!format && !body.warning && head.byteLength > 0) progress.learn({ warnings: ["decode_failed"] });
  return { format, body };
}

/** What the pixels told of the very same bytes, where the source sent them again. */
function seenBefore({ sha256 }: Body, previous: Previous | undefined): Partial<Metadata> | null {
  if (sha256 === null || sha256 !== previous?.metadata.sha256 || previous.metadata.blurhash === null) return null;
  const { width, height, animated, blurhash, thumbhash } = previous.metadata;
  return { width, height, animated, blurhash, thumbhash };
}

function declaredBy({ declaredBytes, declaredType, filename }: Source): Partial<Metadata> {
  return {
    bytes: declaredBytes,
    bytesSource: declaredBytes === null ? null : "declared",
    filename,
    ...(declaredType !== null && { type: declaredType }),
  };
}

function countedIn({ bytes, sha256, warning }: Body): Partial<Metadata> {
  const warnings = warning ? [warning] : [];
  if (sha256 === null) return { warnings };
  return { bytes: bytes.byteLength, bytesSource: "counted", sha256, warnings };
}

/** A clock of ours, since those of the layers below are late, or start anew with every byte. */
function startTimeLimit(milliseconds: number): Disposable & { readonly signal: AbortSignal } {
  const controller = new AbortController();
  const timer = setTimeout(() => controller.abort(), milliseconds);
  return { signal: controller.signal, [Symbol.dispose]: () => clearTimeout(timer) };
}

async function timed<T>(progress: Progress, stage: Stage, work: Promise<T>): Promise<T> {
  const began = performance.now();
  try {
    return await work;
  } finally {
    progress.took(stage, performance.now() - began);
  }
}
