/** Parses the first bytes of a body, however short or hostile. */
export type Test = (head: Uint8Array) => boolean;

/**
 * The work budget of one call of a parser, in steps: one for each box, chunk, segment, directory entry or comment.
 * Nested lists share one budget, and so do entries that point at the same bytes: their numbers never multiply.
 */
export interface WorkBudget {
  /** Takes one step. False if none is left: the list ends there, as if the bytes did. */
  step(): boolean;
}

// Real files take some hundreds: the tiles of a HEIC of 268 megapixels are 1024. A step takes up to half a microsecond.
const usualSteps = 4096;

/** @param steps another number for lists that are longer than those of other headers, or shorter */
export function createWorkBudget(steps = usualSteps): WorkBudget {
  let left = steps;
  return { step: () => left-- > 0 };
}

/** Memoizes a parser by the head, whose bytes must not change: several formats use the same parser within one sniff. */
export function memoized<T>(parse: (head: Uint8Array) => T): (head: Uint8Array) => T {
  const results = new WeakMap<Uint8Array, { readonly result: T }>();
  return (head) => {
    const known = results.get(head);
    if (known) return known.result;
    const result = parse(head);
    results.set(head, { result });
    return result;
  };
}

/** Views bytes as a buffer, which searches them natively. Nothing is copied. */
export function asBuffer({ buffer, byteOffset, length }: Uint8Array): Buffer {
  return Buffer.from(buffer, byteOffset, length);
}

/** Whether these bytes (or the characters of a text, one byte each) stand at the offset. */
export function hasAt(head: Uint8Array, offset: number, expected: string | readonly number[]): boolean {
  if (offset + expected.length > head.length) return false;
  for (let index = 0; index < expected.length; index += 1) {
    const byte = typeof expected === "string" ? expected.charCodeAt(index) : expected[index];
    if (head[offset + index] !== byte) return false;
  }
  return true;
}

export function at(offset: number, expected: string | readonly number[]): Test {
  return (head) => hasAt(head, offset, expected);
}

export function all(...tests: readonly Test[]): Test {
  return (head) => tests.every((test) => test(head));
}

export function any(...tests: readonly Test[]): Test {
  return (head) => tests.some((test) => test(head));
}

/** Big-endian; 0 for each byte past the end, so that a caller who checks ranges needs no second check. */
export function readUint32(head: Uint8Array, offset: number): number {
  return readUint16(head, offset) * 65536 + readUint16(head, offset + 2);
}

/** Big-endian, two's complement; 0 for each byte past the end. */
export function readInt32(head: Uint8Array, offset: number): number {
  return readUint32(head, offset) | 0;
}

/** Big-endian; 0 for each byte past the end. */
export function readUint16(head: Uint8Array, offset: number): number {
  return (head[offset] ?? 0) * 256 + (head[offset + 1] ?? 0);
}

/** Little-endian; 0 for each byte past the end. */
export function readUint16LE(head: Uint8Array, offset: number): number {
  return (head[offset] ?? 0) + (head[offset + 1] ?? 0) * 256;
}

/** Little-endian; 0 for each byte past the end. */
export function readUint32LE(head: Uint8Array, offset: number): number {
  return readUint16LE(head, offset) + readUint16LE(head, offset + 2) * 65536;
}

/** Little-endian, two's complement; 0 for each byte past the end. */
export function readInt32LE(head: Uint8Array, offset: number): number {
  return readUint32LE(head, offset) | 0;
}

const maxTextBytes = 64;

/** One character a byte, as four-character codes and signatures are written. */
export function readText(head: Uint8Array, offset: number, length: number): string {
  let text = "";
  const end = Math.min(offset + Math.min(length, maxTextBytes), head.length);
  for (let index = offset; index < end; index += 1) text += String.fromCharCode(head[index] ?? 0);
  return text;
}
