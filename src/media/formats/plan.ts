/**
 * Read plans: which bytes of a file are needed for its facts and for its preview.
 *
 * A plan is a pure function of the bytes so far. The pipeline reads what the plan needs, asks the plan again, and stops
 * when everything requested is known. Bounded work, never throws, however hostile the bytes are.
 */

/** The bytes of a file that have arrived. */
export interface ReceivedFile {
  /** From the start of the file, without a gap. */
  readonly prefix: Uint8Array;
  /** Ranges behind the prefix, disjoint, in the order of their offsets. */
  readonly parts: readonly Part[];
  /** Length of the whole file in bytes, declared or counted; null if unknown. */
  readonly length: number | null;
  /** The body has stalled: a range may come sooner than the bytes before it. Default: false. */
  readonly isStalled?: boolean;
}

/** A range of a file: its offset in the file, and its bytes. */
export interface Part {
  readonly at: number;
  readonly bytes: Uint8Array;
}

/**
 * Bytes that are needed next: the prefix up to this length, more than has arrived; or the range `from` to `to`, `to`
 * excluded, behind the prefix; or the whole file.
 */
export type Need = { readonly prefix: number } | { readonly from: number; readonly to: number } | "whole";

/** Facts of a file without its pixels. An absent one is not known from these bytes. */
export interface PlannedFacts {
  /** In pixels, as displayed. */
  readonly width?: number;
  readonly height?: number;
  readonly animated?: boolean;
  readonly durationMs?: number;
  /** A media type that is more specific than the sniffed one. */
  readonly type?: string;
}

/** The facts in the bytes so far. More bytes of the same file never change a fact. */
export interface FactsStep {
  readonly known: PlannedFacts;
  /** A file for a worker to measure, for facts that only a reader's library can tell; null if there is none. */
  readonly measurable: Uint8Array | null;
  /** A smaller file with the same type, once that is decided, for formats that need more than the first bytes for it. */
  readonly head?: Uint8Array;
  /** The bytes for facts that are still missing; null if no more bytes will add one. */
  readonly need: Need | null;
}

/**
 * A small valid file, made of parts of a file, with the same preview. Only its pixels count: the excerpt of an animation
 * may be a still, and have another type and duration.
 */
export interface Excerpt {
  readonly bytes: Uint8Array;
  /** `exact`: its first frame decodes to the same pixels as the whole file's. `provisional`: a thumbnail, to be replaced. */
  readonly accuracy: "exact" | "close" | "provisional";
  /** Name of the format of the excerpt, if it is another one than the file's: a thumbnail is a JPEG. */
  readonly format?: string;
}

/** The preview in the bytes so far. */
export interface PreviewStep {
  /** Null if the bytes do not contain one yet. */
  readonly excerpt: Excerpt | null;
  /** The bytes for a better one; null if the excerpt is final, or if the file has no preview. */
  readonly need: Need | null;
}

export interface ReadPlan {
  readonly facts: (file: ReceivedFile) => FactsStep;
  readonly preview: (file: ReceivedFile) => PreviewStep;
}
