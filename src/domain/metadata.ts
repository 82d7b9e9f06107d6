/** Limits of a successful lookup. Stable: callers may switch on them. */
export const warnings = {
  type_mismatch: "the Content-Type header contradicts the bytes",
  decode_failed: "a file of a format that is decoded cannot be: it is broken, encrypted or has an unknown codec",
  decode_timeout: "decoding was stopped at its time limit, or the decode queue was full",
  too_many_pixels: "decoding would exceed the memory limit",
  body_too_large: "the body is too large; only its head was read",
  body_truncated: "the body ended too early, or its content coding is broken",
  body_timeout: "the body was not complete in time",
  body_encoded: "the body has a coding that cannot be decoded: gzip, deflate and br can",
} as const;

export type WarningCode = keyof typeof warnings;

export const warningCodes = Object.keys(warnings) as [WarningCode, ...WarningCode[]];

/** Small pictures of the first frame, upright. Null means unknown. */
export interface Preview {
  /** BlurHash of 4 x 3 components: 28 characters. */
  readonly blurhash: string | null;
  /** ThumbHash, base64. */
  readonly thumbhash: string | null;
  /** PNG as a data URL of at most 400 characters, longest side 8 px. */
  readonly thumbnail: string | null;
}

/** Metadata of a target. Immutable: a later stage makes a new value. Null means unknown. */
export interface Metadata extends Preview {
  /** Size of the representation, in bytes. */
  readonly bytes: number | null;
  /** `counted` by reading to the end, or `declared` by the origin. */
  readonly bytesSource: "counted" | "declared" | null;
  /** Media type, lower case, no parameters (RFC 9110 8.3.1); `application/octet-stream` if unknown. */
  readonly type: string;
  /** In pixels, as displayed: after EXIF or container orientation. */
  readonly width: number | null;
  readonly height: number | null;
  readonly animated: boolean | null;
  readonly durationMs: number | null;
  /** Hex; only if the whole body was read. */
  readonly sha256: string | null;
  /** From Content-Disposition, else null: the reply then falls back to the URL's last segment. */
  readonly filename: string | null;
  readonly warnings: readonly WarningCode[];
}

export const unknownMetadata: Metadata = Object.freeze({
  bytes: null,
  bytesSource: null,
  type: "application/octet-stream",
  blurhash: null,
  width: null,
  height: null,
  thumbhash: null,
  thumbnail: null,
  animated: null,
  durationMs: null,
  sha256: null,
  filename: null,
  warnings: Object.freeze([]),
});

// Base 83, and "L" says 4 x 3 components.
const blurhash = /^L[\w#$%*+,.:;=?@[\]^{|}~-]{27}$/;
const thumbhash = /^[A-Za-z0-9+/]{7,34}={0,2}$/;

/** Prefix of {@link Metadata.thumbnail}. */
export const thumbnailPrefix = "data:image/png;base64,";
export const maxThumbnailCharacters = 400;

/** A larger reply is not kept with its metadata in the cache, which counts no URL: nearly all have 600 to 1400 bytes. */
export const maxKeptReplyBytes = 1536;
const thumbnail = new RegExp(`^${thumbnailPrefix}iVBORw0KGgo[A-Za-z0-9+/]+={0,2}$`);

/** Whether the text has the form of {@link Metadata.blurhash}. */
export function isBlurhash(text: string): boolean {
  return blurhash.test(text);
}

/** The same for {@link Metadata.thumbhash}. */
export function isThumbhash(text: string): boolean {
  return thumbhash.test(text);
}

/** The same for {@link Metadata.thumbnail}. */
export function isThumbnail(text: string): boolean {
  return text.length <= maxThumbnailCharacters && thumbnail.test(text);
}

/** Returns the preview alone. */
export function previewOf({ blurhash, thumbhash, thumbnail }: Preview): Preview {
  return { blurhash, thumbhash, thumbnail };
}
