import type { Raster } from "../raster.ts";

/** Metadata of a file without its pixels; null if the file has no such value. */
export interface Facts {
  /** In pixels, as displayed. */
  readonly width: number | null;
  readonly height: number | null;
  readonly animated: boolean | null;
  readonly durationMs: number | null;
}

/** The size of a file without a picture, or with a size out of range. */
export const noSize = { width: null, height: null } as const;

/** Pixels, in the colours of an ICC profile if there is one, else sRGB. */
export interface Pixels {
  readonly raster: Raster;
  readonly profile?: Uint8Array | null;
}

/** The visible content: pixels, or an embedded picture file, such as the cover of a song. */
export type Shown = Pixels | { readonly picture: Uint8Array };

/** The beginning of a video: its first seconds, remuxed to Matroska, or else the first bytes of the file itself. */
export interface Clip {
  readonly bytes: Uint8Array;
  readonly container: Container;
  /** Rotation for display, in degrees clockwise. */
  readonly rotation: Rotation;
}

export const containers = ["matroska", "avi", "ogg", "mov"] as const;
export type Container = (typeof containers)[number];

export const rotations = [0, 90, 180, 270] as const;
export type Rotation = (typeof rotations)[number];

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
