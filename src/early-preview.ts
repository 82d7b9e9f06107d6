import type { Progress } from "./domain/description.ts";
import { previewOf } from "./domain/metadata.ts";
import type { Decoder, Picture } from "./media/decode/decoder.ts";
import { isDark } from "./media/dark-hash.ts";
import { type Format, formats } from "./media/formats/index.ts";
import type { Excerpt } from "./media/formats/plan.ts";

/** Decodes excerpts of a body before its end, and publishes their previews. */
export interface EarlyPreviews {
  /** Whether an exact preview has been published. */
  readonly isPublished: boolean;
  /** Decodes an excerpt while the rest arrives: one at a time, each accuracy once. */
  decodeBeside(excerpt: Excerpt, format: Format): void;
  /**
   * Whether nothing more needs to be read for the preview. The first seconds of a film are enough, unless they are black:
   * its preview is a frame that is not.
   */
  isEnough(excerpt: Excerpt, format: Format): Promise<boolean>;
  /**
   * Call it at the end of the body: waits for the excerpt that is being decoded, if its preview is exact, and cancels any
   * other. May be called twice.
   */
  end(): Promise<void>;
}

export interface EarlyPreviewOptions {
  readonly progress: Progress;
  readonly decoder: Pick<Decoder, "describe">;
}

export function createEarlyPreviews({ progress, decoder }: EarlyPreviewOptions): EarlyPreviews {
  const tried = new Set<Excerpt["accuracy"]>(); // an excerpt that fails is not decoded again
  let isPublished = false;
  let decoding: { readonly cancel: AbortController; readonly settled: Promise<void> } | null = null;

  function decode({ bytes, ...excerpt }: Excerpt, format: Format, signal?: AbortSignal): Promise<Picture> {
    // Copied: the buffer may be replaced while the worker receives it.
    return decoder.describe(bytes.slice(), formatOf(excerpt) ?? format, signal);
  }

  function publish(picture: Picture, isFinal: boolean): void {
    if (picture.blurhash === null) return;
    isPublished = isFinal;
    if (isFinal) progress.learn(previewOf(picture));
    else progress.suggest(previewOf(picture));
  }

  async function decodeAndPublish(excerpt: Excerpt, format: Format, end: AbortSignal): Promise<void> {
    const isExact = excerpt.accuracy === "exact";
    // An exact preview is worth waiting for at the end of the body: nothing else needs to be decoded then.
    const picture = await decode(excerpt, format, isExact ? undefined : end);
    if (isExact || !end.aborted) publish(picture, isExact);
    decoding = null;
  }

  return {
    get isPublished() {
      return isPublished;
    },

    decodeBeside(excerpt, format) {
      if (decoding || isPublished || tried.has(excerpt.accuracy)) return;
      tried.add(excerpt.accuracy);
      const cancel = new AbortController();
      decoding = { cancel, settled: decodeAndPublish(excerpt, format, cancel.signal) };
    },

    async isEnough(excerpt, format) {
      const { accuracy } = excerpt;
      if (accuracy !== "close" || format.kind !== "video") return accuracy !== "provisional";
      if (tried.has(accuracy)) return isPublished;
      tried.add(accuracy);
      const picture = await decode(excerpt, format);
      publish(picture, picture.blurhash !== null && !isDark(picture.blurhash));
      return isPublished;
    },

    async end() {
      decoding?.cancel.abort();
      await decoding?.settled;
    },
  };
}

/** Returns the format of an excerpt, if it is another one than the file's. */
export function formatOf({ format }: Pick<Excerpt, "format">): Format | null {
  return formats.find(({ name }) => name === format) ?? null;
}
