import type { Size } from "../raster.ts";
import type { Test } from "./bytes.ts";
import type { ReadPlan } from "./plan.ts";

/** The facts in the header of a picture, as needed for the work budget before its pixels are decoded. */
export interface Header {
  /** As displayed. */
  readonly size: Size;
  /** Progressive or interlaced. */
  readonly isProgressive: boolean;
  /** Channels times the bytes of each, when decoded. */
  readonly bytesAPixel: number;
}

export type Kind = "image" | "video" | "audio" | "document" | "text" | "archive" | "data";

/** The facts in the header of a picture, before a pixel is decoded. */
export interface Opened {
  readonly head: Uint8Array;
  /** Progressive or interlaced. */
  readonly isProgressive: boolean;
  /** Channels times the bytes of each, as libvips reports them. */
  readonly bytesAPixel: number;
  readonly pages: number;
  /** Pixels in the file, before rotation and cropping. */
  readonly pixels: number;
}

/** The estimated work of decoding a picture, to check it against the work budget. */
export interface Cost {
  /** Memory, the body's own bytes included. */
  readonly bytes: number;
  readonly milliseconds: number;
}

interface AnyDecoding {
  /** The name in `MEDIA_ORACLE_FORMATS` that switches it on. */
  readonly setting: string;
  /**
   * Estimated memory of a decode, in bytes a pixel of the file, besides the body and the 4 MB of any decode:
   * about the worst of `npm run bench:decode-memory`. Run that after each update of libvips.
   */
  readonly bytesPerPixel: (file: Opened) => number;
  /** Estimated time of a decode, likewise. */
  readonly nanosecondsPerPixel: (file: Opened) => number;
  /** Whether a small file of few pixels may take any time, and so belongs in the slow lane. */
  readonly isUnpredictable?: true;
  readonly isAnimated: (file: Opened) => boolean;
}

/** Decoding by libvips. */
export interface VipsDecoding extends AnyDecoding {
  /** The class, as `vips -l` lists it; the self-test of the workers finds a misspelt one. */
  readonly loader: string;
  /** Dots an inch at which libvips renders the units of a drawing. */
  readonly density?: number;
  /**
   * Strips chunks that no pixel needs and no estimate covers (decompression bombs), or rewrites what libvips does not read; may
   * change the given bytes.
   */
  readonly strip?: (body: Uint8Array) => Uint8Array;
  /**
   * Adds the end of a file that may lack nothing else; null if it has one. libvips decodes the result only without any warning,
   * since missing pixels would be grey.
   */
  readonly complete?: (body: Uint8Array) => Uint8Array | null;
  /** Reads the header as libvips would, which takes libvips 0.3 ms; null if it cannot. */
  readonly readHeader?: (body: Uint8Array) => Header | null;
}

/** Decoding by a file in `worker/readers/`, and its library. */
export interface ReaderDecoding extends AnyDecoding {
  /** Its name in the list of readers, which only workers load. */
  readonly reader: string;
  /** Fixed memory of the library, for any file. */
  readonly libraryBytes: number;
}

/** The decoder of a format. */
export type Decoding = VipsDecoding | ReaderDecoding;

/** A row of a format of which the type is all metadata. */
export interface TypeRow {
  /** Media type, as registered with IANA if it is. */
  readonly type: string;
  readonly kind: Kind;
  /** Sniffs the first bytes, after the rows above did not match. Bounded, and never throws. */
  readonly matches: Test;
  /** Likewise, after no row of the table has matched. */
  readonly matchesBehindJunk?: Test;
  /** Whether bytes beyond the head decide between this row and another one: see `FactsStep.head`. */
  readonly isUndecided?: Test;
  /** Other correct names, and wrong ones that servers commonly send. */
  readonly aliases?: readonly string[];
  /** Types in a header that are more specific than the sniffed one: `text/csv` is plain text too. */
  readonly refinedBy?: RegExp;
  /** Its plan and its reader read ID3v2 tags in front of the file themselves. */
  readonly readsTags?: true;
  /** Some files of this type have no signature, so a header that declares it for unknown bytes may be right. */
  readonly isSometimesUnmarked?: true;
}

/** A row of a format with more metadata than the type. */
interface MeasuredRow extends TypeRow {
  /** Reads the size as displayed; null if these bytes do not have it. Bounded, and never throws. */
  readonly readSize?: (body: Uint8Array) => Size | null;
  /** Which bytes are needed for its facts and its preview. */
  readonly plan: ReadPlan;
  /** Absent if the format cannot be decoded. */
  readonly decoding?: Decoding;
}

/** A row of the table in `index.ts`. If it has a size or a decoder, it must have a read plan. */
export type Row =
  MeasuredRow | (TypeRow & { readonly readSize?: never; readonly plan?: never; readonly decoding?: never });
