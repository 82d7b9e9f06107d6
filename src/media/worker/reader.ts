import type { Clip, Facts } from "../protocol.ts";
import type { Raster } from "../raster.ts";

/** The size of a file without a picture, or with a size out of range. */
export const noSize = { width: null, height: null } as const;

/** Pixels, in the colours of an ICC profile if there is one, else sRGB. */
export interface Pixels {
  readonly raster: Raster;
  readonly profile?: Uint8Array | null;
}

/** The visible content: pixels, or an embedded picture file, such as the cover of a song. */
export type Shown = Pixels | { readonly picture: Uint8Array };

/** Reads the files of one library's formats. Runs only in workers. */
export interface Reader {
  /**
   * Absent if the table's `readSize` reports everything.
   *
   * @throws as `show` does
   */
  readonly measure?: (body: Uint8Array, isWhole: boolean) => Promise<Facts>;
  /**
   * Upright, sRGB unless it has a profile, the first of several pictures. Null if there is no picture.
   *
   * @throws the library's own error if it cannot read the bytes, or some are missing
   */
  readonly show: (body: Uint8Array) => Promise<Shown | null>;
  /** The beginning of a video, for ffmpeg to decode; null if there is no video. */
  readonly cut?: (body: Uint8Array) => Promise<Clip | null>;
}

/** Thrown by a reader whose library only returns a failure. */
export class UnreadableError extends Error {
  override readonly name = "UnreadableError";
}
