import type { Raster } from "../raster.ts";

/** What is told of a file without its pixels; null where it has none of that. */
export interface Facts {
  /** In pixels, as displayed. */
  readonly width: number | null;
  readonly height: number | null;
  readonly animated: boolean | null;
  readonly durationMs: number | null;
}

/** Of a file without a picture, or with a size out of range. */
export const noSize = { width: null, height: null } as const;

/** Pixels, in the colours of an ICC profile where there is one. */
export interface Pixels {
  readonly raster: Raster;
  readonly profile?: Uint8Array | null;
}

/** What a file shows: pixels, or a picture that lies in it as a file of its own, such as the cover of a song. */
export type Shown = Pixels | { readonly picture: Uint8Array };

/** The beginning of a video: its first seconds in Matroska that we wrote, or else the first bytes of the file itself. */
export interface Clip {
  readonly bytes: Uint8Array;
  readonly container: Container;
  /** Degrees, clockwise, by which its frames are to be turned. */
  readonly rotation: Rotation;
}

export const containers = ["matroska", "avi", "ogg", "mov"] as const;
export type Container = (typeof containers)[number];

export const rotations = [0, 90, 180, 270] as const;
export type Rotation = (typeof rotations)[number];

/** Reads the files of a format, or of some that one library reads. Runs in the decoder's processes alone. */
export interface Reader {
  /**
   * Absent where the table's `readSize` tells all that is told.
   *
   * @throws as `show` does
   */
  readonly measure?: (body: Uint8Array, isWhole: boolean) => Promise<Facts>;
  /**
   * Upright, sRGB unless it has a profile, the first of several pictures. Null where there is nothing to show.
   *
   * @throws whatever the library does where it cannot read the bytes, or some are missing
   */
  readonly show: (body: Uint8Array) => Promise<Shown | null>;
  /** The beginning of a video, whose pixels another program must decode; null where there is no video. */
  readonly cut?: (body: Uint8Array) => Promise<Clip | null>;
}

/** Thrown by a reader whose library only says that it cannot. */
export class UnreadableError extends Error {
  override readonly name = "UnreadableError";
}
