import { readUint16 } from "./bytes.ts";
import { isFrame, isProgressiveFrame, readSegment, startOfScan } from "./jpeg-segments.ts";

// A progressive JPEG comes in scans (ITU-T T.81, G.1.1): first the averages of all blocks (DC), coarse to a bit or two mostly, then
// the detail. A blurhash needs no more than the averages. How far its hash is from the whole file's: `npm run bench:early`.

// Smaller pictures have few blocks, whose detail shows in the hash; and they arrive soon anyway.
const leastBytes = 100_000;
const leastSide = 512;
// Error of a block's average by its missing bits, in sample values of 0 to 255: the average is 1/8 of its coefficient.
const maxMeanError = 0.5;
// The averages of the largest photos take 3 MB. Each byte blocks the service's event loop for 1 ns.
const maxScannedBytes = 4 * 1024 * 1024;
// Each marker costs more than its bytes do. A picture in a hundred scans has two hundred.
const maxSegments = 1000;

const endOfImage = 0xd9;
const quantisation = 0xdb;
const maxComponents = 4;

/** Cuts the beginning of a JPEG to a picture of its own if that is enough for the hash; else null. */
export function beginningOf(bytes: Uint8Array, totalBytes: number | null): Uint8Array | null {
  const cut = createCutFinder(totalBytes)(bytes);
  return typeof cut === "number" ? Buffer.concat([bytes.subarray(0, cut), Uint8Array.of(0xff, endOfImage)]) : null;
}

/** The end of the scans with all averages; `later`: more bytes are needed; `never`: they are missing or too coarse. */
type Cut = number | "later" | "never";

interface Component {
  readonly table: number;
  /** Number of low bits that the averages still lack; null before their first scan. */
  lackingBits: number | null;
}

/** Finds the cut in the bytes so far; resumes from its position when called with more of the same body. */
function createCutFinder(totalBytes: number | null): (came: Uint8Array) => Cut {
  const quantisers = new Map<number, number>(); // of the averages, by table
  const components = new Map<number, Component>();
  let shorterSide = 0;
  let segments = 0;
  let at = 2; // after the start of image
  let isInScan = false;

  /** ITU-T T.81, B.2.4.1: tables of 64 values, each of one byte or two. */
  function readTables(segment: Uint8Array): void {
    for (let entry = 0; entry < segment.length;) {
      const [isWide, table] = [(segment[entry] ?? 0) >> 4 !== 0, (segment[entry] ?? 0) & 15];
      quantisers.set(table, isWide ? readUint16(segment, entry + 1) : (segment[entry + 1] ?? 0));
      entry += 1 + 64 * (isWide ? 2 : 1);
    }
  }

  /** ITU-T T.81, B.2.2: one frame header, of at most four components in a progressive file. False if this is another. */
  function readFrame(segment: Uint8Array): boolean {
    if (components.size > 0 || (segment[5] ?? 0) > maxComponents) return false;
    shorterSide = Math.min(readUint16(segment, 1), readUint16(segment, 3));
    for (let entry = 6; entry + 2 < Math.min(segment.length, 6 + 3 * maxComponents); entry += 3) {
      components.set(segment[entry] ?? 0, { table: segment[entry + 2] ?? 0, lackingBits: null });
    }
    return true;
  }

  /** ITU-T T.81, B.2.3 and G.1.2.1: the first scan of the averages has coefficient 0, and refines no earlier one. */
  function readScan(segment: Uint8Array): void {
    const selectors = 2 * Math.min(maxComponents, segment[0] ?? 0);
    const [firstCoefficient, , bits = 0] = segment.subarray(1 + selectors);
    if (firstCoefficient !== 0 || bits >> 4 !== 0) return;
    for (let entry = 1; entry < 1 + selectors; entry += 2) {
      const component = components.get(segment[entry] ?? 0);
      if (component) component.lackingBits = bits & 15;
    }
  }

  /** Takes the segment at a marker; null if nothing useful can follow, false if it is incomplete. */
  function takeSegment(came: Uint8Array): boolean | null {
    const found = readSegment(came, at);
    if (found === "fill") {
      at += 1;
      return true;
    }
    if (!found) return null;
    const { marker, start, end } = found;
    if (isFrame(marker) && !isProgressiveFrame(marker)) return null;
    if (marker === startOfScan && components.size === 0) return null;
    if (end > came.length) return false;
    const segment = came.subarray(start, end);
    if (marker === quantisation) readTables(segment);
    if (isProgressiveFrame(marker) && !readFrame(segment)) return null;
    if (marker === startOfScan) readScan(segment);
    isInScan = marker === startOfScan;
    at = end;
    return true;
  }

  /** Skips to the end of a scan: a marker other than a stuffed byte 255 or a restart. */
  function skipScan(came: Uint8Array): void {
    const last = Math.min(came.length, maxScannedBytes) - 1;
    let byte = at;
    for (; isInScan && byte < last; byte += 1) {
      if (came[byte] !== 0xff) continue;
      const next = came[byte + 1] ?? 0;
      isInScan = next === 0 || next === 0xff || (next >= 0xd0 && next <= 0xd7);
    }
    at = isInScan ? byte : byte - 1;
  }

  function hasAverages(): boolean {
    return components.size > 0 && [...components.values()].every(({ lackingBits }) => lackingBits !== null);
  }

  function isGoodEnough(): boolean {
    const isExact = ({ table, lackingBits }: Component) =>
      ((quantisers.get(table) ?? Infinity) * (2 ** (lackingBits ?? Infinity) - 1)) / 16 <= maxMeanError;
    return shorterSide >= leastSide && [...components.values()].every(isExact);
  }

  return (came) => {
    for (; segments <= maxSegments && at < maxScannedBytes; segments += 1) {
      if (isInScan) skipScan(came);
      if (isInScan) return came.length < maxScannedBytes ? "later" : "never";
      if (hasAverages()) {
        if (!isGoodEnough()) return "never";
        return (totalBytes ?? came.length) >= leastBytes ? at : "later";
      }
      if (at + 4 > came.length) return "later";
      const isTaken = takeSegment(came);
      if (isTaken === null) return "never";
      if (!isTaken) return "later";
    }
    return "never";
  };
}
