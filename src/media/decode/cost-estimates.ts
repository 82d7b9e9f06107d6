import type { Size } from "../../domain/size.ts";
import type { Cost, Format } from "../formats/index.ts";
import type { WorkerAnswer } from "../protocol.ts";
import type { Lane } from "./worker-pool.ts";

/** A body, and its sniffed format. */
export interface FormattedBody {
  readonly body: Uint8Array;
  readonly format: Format;
}

/** The work budget of each lane: maximum estimated cost of a decode. */
export type WorkBudgets = Readonly<Record<Lane, Cost>>;

// Memory budget: three quarters for the one slow picture, so that it cannot lock out the others. The quick workers
// share the rest equally: the sum stays within the budget, and no quick picture ever waits for memory.
const shareOfSlow = 0.75;
// Bound of a quick decode, and so of the wait behind one: 70 ms is a JPEG of 12 megapixels, or a PNG of 5.
const quickMs = 70;
// Bound of a quick body: sending a larger one to a worker takes 0.1 s while all workers receive.
const maxQuickBytes = 5 * 1024 ** 2;
// A quick picture that exceeds its estimate by so much is a pixel bomb, or the machine is busy with some.
const longestQuickMs = 300;
// The same for readers: the first file loads the library, which takes 0.1 s, more on a busy machine.
const longestReaderMs = 1000;
// 16383 x 16383, sharp's own limit against pixel bombs: decoding in a stream needs little memory, but still time.
const maxPixels = 0x3fff ** 2;
// Shortest job first, with aging: a job is due ten times its expected duration after its arrival, so that small
// pictures overtake large ones; after 5 s at most even a bomb is ahead of every new job.
const patience = 10;
const longestPatienceMs = 5_000;
// Estimated time from the head alone, which may lie: coefficients take time by the byte, pixels by the pixel.
const guessedNanoseconds = { byte: 20, pixel: 15 };
const guessedPixels = 1e6; // if the head has no size
const guessHeadBytes = 64 * 1024; // upper bound of the parsing in this process
const shareOfLatest = 0.1; // weight of the newest sample in the moving average

/**
 * Divides the memory budget between the lanes.
 *
 * @param decodeBytes the sum of the estimates of all decodes in flight
 * @param processes workers in the quick lane; the slow lane has one
 */
export function divideBudget(decodeBytes: number, processes: number): WorkBudgets {
  return {
    quick: { bytes: (decodeBytes * (1 - shareOfSlow)) / processes, milliseconds: quickMs },
    slow: { bytes: decodeBytes * shareOfSlow, milliseconds: Infinity },
  };
}

/** Selects the lane of a new job: slow if the cost of its decode is unpredictable, or if only sending the body takes long. */
export function selectLane(bodyBytes: number, isUnpredictable: boolean): Lane {
  return isUnpredictable || bodyBytes > maxQuickBytes ? "slow" : "quick";
}

/** Time limit of a decode in the quick lane; beyond it the picture moves to the slow lane. */
export function quickLimitMs({ decoding }: Format): number {
  const isByReader = decoding !== null && "reader" in decoding;
  return isByReader ? longestReaderMs : longestQuickMs;
}

/** Whether a picture that exceeds the work budget of the quick lane fits that of the slow lane. */
export function fitsSlowLane(answer: WorkerAnswer, slowBudget: Cost): boolean {
  const { warning, expectedBytes, width, height } = answer;
  const pixels = (width ?? 0) * (height ?? 0);
  return warning === "too_many_pixels" && expectedBytes <= slowBudget.bytes && pixels <= maxPixels;
}

/** Reads the size in the head, without a worker; null if the head has none. */
export function readHeadSize({ body, format }: FormattedBody): Size | null {
  return format.readSize?.(body.subarray(0, guessHeadBytes)) ?? null;
}

/** Estimates the time of a decode from the head. */
export function guessMs(job: FormattedBody): number {
  const size = readHeadSize(job);
  const pixels = size ? size.width * size.height : guessedPixels;
  return (job.body.byteLength * guessedNanoseconds.byte + pixels * guessedNanoseconds.pixel) / 1e6;
}

/** How long after its arrival a job is due: the job that is due first is the next. */
export function dueAfterMs(expectedMs: number): number {
  return Math.min(longestPatienceMs, patience * expectedMs);
}

/** Moving average of how long a quick picture keeps its worker. */
export interface HeldTime {
  /** 0 before the first sample. */
  readonly meanMs: number;
  add(milliseconds: number): void;
}

export function createHeldTime(): HeldTime {
  let meanMs = 0;
  return {
    get meanMs() {
      return meanMs;
    },
    add: (milliseconds) => void (meanMs += shareOfLatest * (milliseconds - meanMs)),
  };
}
