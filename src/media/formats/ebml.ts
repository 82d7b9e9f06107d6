import type { WorkBudget } from "./bytes.ts";

const longestVint = 8;
// All bits are one in a size that is unknown, as in a stream (RFC 8794 6.2), by the length of the integer.
const unknownSizes = Array.from({ length: longestVint + 1 }, (_, length) => 2 ** (7 * length) - 1);

/** The length of the variable-size integer at an offset: its leading zeros give it (RFC 8794 4); 0 if it is cut or none. */
export function readVintLength(bytes: Uint8Array, at: number): number {
  const length = Math.clz32(bytes[at] ?? 0) - 23;
  return length <= longestVint && at + length <= bytes.length ? length : 0;
}

/** Reads a variable-size integer of a known length. */
export function readVint(bytes: Uint8Array, at: number, length: number): number {
  let value = (bytes[at] ?? 0) & (0xff >> length);
  for (let index = 1; index < length; index += 1) value = value * 256 + (bytes[at + index] ?? 0);
  return value;
}

/** An element whose header is there. Its content may be cut. */
export interface Element {
  readonly id: number;
  readonly at: number;
  readonly start: number;
  /** Infinity for one of unknown size, as in a stream. */
  readonly end: number;
}

// With its marker, as identifiers are written.
const longestId = 4;

/** Reads the header of an element (RFC 8794 7); null if it is cut or is none. */
export function readElement(bytes: Uint8Array, at: number): Element | null {
  if (at >= bytes.length) return null;
  // V8 stores ends as floats if one is Infinity, and is ten times slower for an array index that is one.
  const idAt = at | 0;
  const idLength = readVintLength(bytes, idAt);
  if (idLength === 0 || idLength > longestId) return null;
  const sizeAt = idAt + idLength;
  const sizeLength = readVintLength(bytes, sizeAt);
  if (sizeLength === 0) return null;
  let id = 0;
  for (let index = idAt; index < sizeAt; index += 1) id = id * 256 + (bytes[index] ?? 0);
  const start = sizeAt + sizeLength;
  const size = readVint(bytes, sizeAt, sizeLength);
  return { id, at: idAt, start, end: size >= (unknownSizes[sizeLength] ?? 0) ? Infinity : start + size };
}

/** Iterates over the elements of another, each cut at its end; one of unknown size takes the rest. */
export function* readElements(bytes: Uint8Array, from: number, to: number, work: WorkBudget): Generator<Element> {
  for (let at = from; at < to && work.step();) {
    const element = readElement(bytes, at);
    if (!element) return;
    yield element.end <= to ? element : { ...element, end: to };
    at = element.end;
  }
}

export function readUnsigned(bytes: Uint8Array, { start, end }: Element): number {
  let value = 0;
  for (let at = start; at < Math.min(end, start + 8); at += 1) value = value * 256 + (bytes[at] ?? 0);
  return value;
}

/** Reads a number of 4 or 8 bytes; 0 for another length. */
export function readFloat(bytes: Uint8Array, { start, end }: Element): number {
  const content = Buffer.from(bytes.subarray(start, end));
  if (content.length === 4) return content.readFloatBE();
  return content.length === 8 ? content.readDoubleBE() : 0;
}
