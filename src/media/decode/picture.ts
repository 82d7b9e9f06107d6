import type { DecodeTimeoutCause } from "../../domain/decode-timeout.ts";
import { type Preview, type WarningCode, previewOf } from "../../domain/metadata.ts";
import type { WorkerAnswer } from "../protocol.ts";
import type { Clip } from "../protocol.ts";

/** The result of decoding a body; a field is null if it is unknown. */
export interface Picture extends Preview {
  /** In pixels, as displayed. */
  readonly width: number | null;
  readonly height: number | null;
  readonly animated: boolean | null;
  readonly durationMs: number | null;
  readonly warning: WarningCode | null;
  /** Null unless `warning` is `decode_timeout`. */
  readonly decodeTimeoutCause: DecodeTimeoutCause | null;
  readonly queueMs: number;
  readonly decodeMs: number;
  readonly hashMs: number;
}

/** A picture; of a video also its beginning, whose poster frame is still to be decoded. */
export interface PictureWithClip extends Picture {
  readonly clip: Clip | null;
}

export const unknownPicture: PictureWithClip = Object.freeze({
  width: null,
  height: null,
  animated: null,
  durationMs: null,
  blurhash: null,
  thumbhash: null,
  thumbnail: null,
  warning: null,
  decodeTimeoutCause: null,
  queueMs: 0,
  decodeMs: 0,
  hashMs: 0,
  clip: null,
});

/** The warning `decode_timeout` with its cause. */
export function timedOut(cause: DecodeTimeoutCause): Pick<Picture, "warning" | "decodeTimeoutCause"> {
  return { warning: "decode_timeout", decodeTimeoutCause: cause };
}

/** Converts the answer of a worker, without the fields that only the scheduler needs. */
export function pictureOf(answer: WorkerAnswer, clipBytes: Uint8Array): Partial<PictureWithClip> {
  const { width, height, animated, durationMs, warning, decodeMs, hashMs } = answer;
  const { container, rotation } = answer;
  const clip = answer.clipBytes > 0 ? { bytes: clipBytes, container, rotation } : null;
  return { width, height, animated, durationMs, ...previewOf(answer), warning, decodeMs, hashMs, clip };
}
