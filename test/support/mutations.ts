import { existsSync, readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { corpusFolder, corpusRows } from "./corpus.ts";

/** A file, or a file made of one or two others by a few edits. */
export interface Mutant {
  /** Names the files, and the number that reproduces the mutant. */
  readonly name: string;
  readonly bytes: Uint8Array;
}

// The length of a head, and of the part that contains most headers.
const headBytes = 256 * 1024;
const headerBytes = 4 * 1024;

const faultsFolder = fileURLToPath(new URL("../../../shared/faults/files/", import.meta.url));

/** The heads of all valid and malformed corpus files. */
export function seedFiles(): Mutant[] {
  const faults = existsSync(faultsFolder) ? readdirSync(faultsFolder).map((file) => join(faultsFolder, file)) : [];
  const files = [...corpusRows().map(({ file }) => join(corpusFolder, file)), ...faults];
  return files.map((file) => ({ name: file.split("/").at(-1)!, bytes: readFileSync(file).subarray(0, headBytes) }));
}

/** Integers below a bound, the same for the same seed (mulberry32, by Tommy Ettinger). */
export function randomIntegers(seed: number): (below: number) => number {
  let state = seed >>> 0;
  return (below) => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return Math.floor((((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32) * below);
  };
}

type Random = (below: number) => number;
type Edit = (bytes: Buffer, random: Random, other: Uint8Array) => Buffer;

/** Mostly in the header, where one bit changes most. */
function placeIn(bytes: Buffer, random: Random): number {
  return random(random(4) === 0 ? bytes.length : Math.min(bytes.length, headerBytes));
}

const extremes = [0x00, 0xff, 0x7f, 0x80] as const;
const fieldBytes = 4;
const lengths = [0, 1, 7, 8, 0x7fff, 0xffff, 2 ** 31 - 1, 2 ** 31, 2 ** 32 - 1] as const;

function blockIn(bytes: Buffer, random: Random): readonly [from: number, to: number] {
  const from = placeIn(bytes, random);
  return [from, Math.min(bytes.length, from + 1 + random(512))];
}

const edits: readonly Edit[] = [
  (bytes, random) => {
    const at = placeIn(bytes, random);
    bytes[at]! ^= 1 << random(8);
    return bytes;
  },
  (bytes, random) => bytes.fill(extremes[random(extremes.length)]!, ...blockIn(bytes, random)),
  (bytes, random) => {
    bytes[placeIn(bytes, random)] = extremes[random(extremes.length)]!;
    return bytes;
  },
  (bytes, random) => bytes.subarray(0, placeIn(bytes, random)),
  (bytes, random) => {
    const [from, to] = blockIn(bytes, random);
    const copies = Array<Buffer>(1 + random(200)).fill(bytes.subarray(from, to));
    return Buffer.concat([bytes.subarray(0, to), ...copies, bytes.subarray(to)]);
  },
  (bytes, random) => {
    const [[a, b], [c, d]] = [blockIn(bytes, random), blockIn(bytes, random)];
    if (b > c) return bytes;
    return Buffer.concat([bytes.subarray(0, a), bytes.subarray(c, d), bytes.subarray(b, c), bytes.subarray(a, b), bytes.subarray(d)]); // prettier-ignore
  },
  (bytes, random) => {
    if (bytes.length < fieldBytes) return bytes;
    const at = Math.min(placeIn(bytes, random), bytes.length - fieldBytes);
    const value = lengths[random(lengths.length)]!;
    if (random(2) === 0) bytes.writeUInt32BE(value, at);
    else bytes.writeUInt32LE(value, at);
    return bytes;
  },
  (bytes, random, other) => Buffer.concat([bytes.subarray(0, placeIn(bytes, random)), other.subarray(random(headerBytes))]), // prettier-ignore
];

const maxEdits = 4;

/** Returns the mutant of a number, always the same one. */
export function mutantOf(files: readonly Mutant[], number: number): Mutant {
  const random = randomIntegers(number);
  const [file, other] = [files[random(files.length)]!, files[random(files.length)]!];
  let bytes: Buffer = Buffer.from(file.bytes);
  for (let count = 1 + random(maxEdits); count > 0; count -= 1) {
    bytes = edits[random(edits.length)]!(bytes, random, other.bytes);
  }
  return { name: `${number}: ${file.name}, ${other.name}`, bytes: Uint8Array.from(bytes.subarray(0, headBytes)) };
}
