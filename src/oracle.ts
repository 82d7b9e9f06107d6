import { type Oracle, type Progress, type Stage, startDescription } from "./domain/description.ts";
import type { Metadata } from "./domain/metadata.ts";
import type { Slots } from "./fetch/slots.ts";
import type { Body, OpenSource, Source } from "./fetch/source.ts";
import type { Decoder } from "./media/decoder.ts";
import type { Format } from "./media/formats.ts";
import { mediaType, sniff, sniffBytes } from "./media/sniff.ts";

export interface OracleOptions {
  readonly slots: Slots;
  readonly openSource: OpenSource;
  readonly decoder: Decoder;
  /** From the moment the lookup is asked for to the last byte, waiting for a slot included. */
  readonly fetchTimeoutMs: number;
}

/** The pipeline: target → slot → source → sniff → read → decode and hash. Each step takes what the one before gave. */
export function createOracle({ slots, openSource, decoder, fetchTimeoutMs }: OracleOptions): Oracle {
  return (target) =>
    startDescription(async (progress) => {
      using limit = startTimeLimit(fetchTimeoutMs);
      using slot = await timed(progress, "queue", slots.take(target.url.host, limit.signal));
      // Closed only at the very end: until then the body counts against the memory for bodies.
      using source = await timed(progress, "fetch", openSource(target, limit.signal));
      const { format, body } = await timed(progress, "fetch", read(source, progress));
      slot.release(); // others may fetch while this one is decoded
      if (format) await look(decoder, format, body, progress);
      return progress.learn({});
    });
}

/** Reads the source to its end, and tells what it is before that. */
async function read(source: Source, progress: Progress): Promise<{ format: Format | null; body: Body }> {
  progress.learn(declaredBy(source));
  const head = await source.head(sniffBytes);
  const format = sniff(head);
  const { type, mismatch } = mediaType(format, source.declaredType);
  progress.learn({ type, warnings: mismatch ? ["type_mismatch"] : [] });
  const body = await source.body();
  progress.learn(countedIn(body));
  if (!format && !body.warning && head.byteLength > 0) progress.learn({ warnings: ["decode_failed"] });
  return { format, body };
}

/** Learns what the pixels tell. Of a body that is not whole only the dimensions: half a picture has another hash. */
async function look(decoder: Decoder, format: Format, body: Body, progress: Progress): Promise<void> {
  const picture = await (body.warning ? decoder.measure(body.bytes, format) : decoder.describe(body.bytes, format));
  const { width, height, animated, durationMs, blurhash, thumbhash, warning } = picture;
  // That half a file cannot be measured is said by the body's own warning already.
  const warnings = warning && !body.warning ? [warning] : [];
  progress.learn({ width, height, animated, durationMs, blurhash, thumbhash, warnings });
  progress.took("queue", picture.queueMs);
  progress.took("decode", picture.decodeMs);
  progress.took("hash", picture.hashMs);
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
