import { type Oracle, type Progress, type Stage, startDescription } from "./domain/description.ts";
import type { Slots } from "./fetch/slots.ts";
import type { Body, OpenSource, Source } from "./fetch/source.ts";
import type { Decoder } from "./media/decoder.ts";
import type { Format, FormatName } from "./media/formats.ts";
import { mediaType, sniff, sniffBytes } from "./media/sniff.ts";

export interface OracleOptions {
  readonly slots: Slots;
  readonly openSource: OpenSource;
  readonly decoder: Decoder;
  /** The formats whose pixels are decoded. */
  readonly formats: readonly FormatName[];
  /** From the moment the lookup is asked for to the last byte, waiting for a slot included. */
  readonly fetchTimeoutMs: number;
}

/** The pipeline: target → slot → source → sniff → read → decode and hash. Each step takes what the one before gave. */
export function createOracle({ slots, openSource, decoder, formats, fetchTimeoutMs }: OracleOptions): Oracle {
  const decodable = new Set(formats);

  /** Reads the source to its end and tells what its bytes are; the format is null where no pixels can be had of it. */
  async function read(source: Source, progress: Progress): Promise<{ body: Body; format: Format | null }> {
    progress.learn(declaredBy(source));
    const sniffed = sniff(await source.head(sniffBytes));
    const { type, mismatch } = mediaType(sniffed, source.declaredType);
    progress.learn({ type, warnings: mismatch ? ["type_mismatch"] : [] });
    const body = await source.body();
    progress.learn(countedIn(body));
    return { body, format: sniffed && decodable.has(sniffed.name) ? sniffed : null };
  }

  /** Learns what the pixels tell. Of a body that is not whole only the dimensions: half a picture has another hash. */
  async function look(body: Body, format: Format, progress: Progress): Promise<void> {
    const picture = await (body.warning ? decoder.measure(body.bytes, format) : decoder.describe(body.bytes, format));
    const { width, height, animated, blurhash, thumbhash, warning } = picture;
    // That half a file cannot be measured is said by the body's own warning already.
    const warnings = warning && !body.warning ? [warning] : [];
    progress.learn({ width, height, animated, blurhash, thumbhash, warnings });
    progress.took("queue", picture.queueMs);
    progress.took("decode", picture.decodeMs);
    progress.took("hash", picture.hashMs);
  }

  return (target) =>
    startDescription(async (progress) => {
      const limit = new AbortController();
      const timer = setTimeout(() => limit.abort(), fetchTimeoutMs);
      try {
        const slot = await timed(progress, "queue", slots.take(target.url.host, limit.signal));
        try {
          const source = await timed(progress, "fetch", openSource(target, limit.signal));
          try {
            const { body, format } = await timed(progress, "fetch", read(source, progress));
            slot.release(); // others may fetch while this one is decoded
            if (format) await look(body, format, progress);
          } finally {
            source.close(); // only now: until then the body counts against the memory for bodies
          }
        } finally {
          slot.release();
        }
      } finally {
        clearTimeout(timer);
      }
      return progress.learn({});
    });
}

function declaredBy({ declaredBytes, declaredType, filename }: Source): Parameters<Progress["learn"]>[0] {
  return {
    bytes: declaredBytes,
    bytesSource: declaredBytes === null ? null : "declared",
    filename,
    ...(declaredType !== null && { type: declaredType }),
  };
}

function countedIn({ bytes, sha256, warning }: Body): Parameters<Progress["learn"]>[0] {
  if (sha256 === null) return { warnings: warning ? [warning] : [] };
  return { bytes: bytes.byteLength, bytesSource: "counted", sha256, warnings: warning ? [warning] : [] };
}

async function timed<T>(progress: Progress, stage: Stage, work: Promise<T>): Promise<T> {
  const began = performance.now();
  try {
    return await work;
  } finally {
    progress.took(stage, performance.now() - began);
  }
}
