/** What could not be done although the URL answered with success. Stable: callers may switch on them. */
export const warningCodes = [
  "type_mismatch", // the header names another type than the bytes
  "decode_failed", // a format that is on, but the bytes cannot be decoded
  "decode_timeout", // the decoder was killed at its time limit
  "too_many_pixels", // more memory than one decode may take
  "body_too_large", // only the head was read
  "body_truncated", // the body ended before its announced end, or by a reset
  "body_timeout", // the fetch limit came before the end of the body
  "body_encoded", // a content coding that was not asked for: the bytes are not the representation's
] as const;

export type WarningCode = (typeof warningCodes)[number];

/** What is known of a target. Immutable: a later stage makes a new value. Null means that it could not be learnt. */
export interface Metadata {
  /** Size of the representation, in bytes. */
  readonly bytes: number | null;
  /** Whether {@link bytes} was `counted` by reading to the end or is the origin's word. */
  readonly bytesSource: "counted" | "declared" | null;
  /** Media type, lower case, no parameters (RFC 9110 8.3.1); `application/octet-stream` where unknown. */
  readonly type: string;
  /** BlurHash of 4 x 3 components: 28 characters. */
  readonly blurhash: string | null;
  /** In pixels, as displayed: after EXIF or container orientation. */
  readonly width: number | null;
  readonly height: number | null;
  /** ThumbHash, base64. */
  readonly thumbhash: string | null;
  readonly animated: boolean | null;
  readonly durationMs: number | null;
  /** Hex; only where the whole body was read. */
  readonly sha256: string | null;
  /** From Content-Disposition, null where that names none: the reply then falls back to the URL's last segment. */
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
  animated: null,
  durationMs: null,
  sha256: null,
  filename: null,
  warnings: Object.freeze([]),
});
