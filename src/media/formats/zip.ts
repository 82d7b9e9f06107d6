import { createWorkBudget, hasAt, readText, readUint16LE, readUint32LE } from "./bytes.ts";
import { inflateBeginning } from "./inflate.ts";

// PKWARE APPNOTE 4.3.7, 4.3.9, 4.3.12 and 4.3.16.
const signatures = { local: "PK\x03\x04", central: "PK\x01\x02", end: "PK\x05\x06" };
const descriptorSignature = Buffer.from("PK\x07\x08", "latin1");
const headerBytes = { local: 30, central: 46, end: 22 };
const descriptorBytes = { usual: 16, zip64: 24 };
const hasDescriptorFlag = 8;
const methods = { stored: 0, deflated: 8 };
// The longest that is read is a media type.
const maxStoredBytes = 1024;

/** A file in a ZIP archive. */
export interface ZipEntry {
  /** Its first 64 characters. */
  readonly name: string;
  /** The beginning of the content, as far as it is in the head: 64 KiB at most; null if it cannot be read. */
  readonly readContent: () => Uint8Array | null;
}

interface LocalFile extends ZipEntry {
  /** Offset behind the content; null if its length is unknown. */
  readonly end: number | null;
}

/**
 * The entries in the head of an archive, a step each: those whose own headers are there, then those of the central
 * directory, if the whole archive is. An entry may come twice.
 */
export function* zipEntries(head: Uint8Array): Generator<ZipEntry> {
  const work = createWorkBudget();
  for (let at: number | null = 0; at !== null && hasAt(head, at, signatures.local) && work.step();) {
    const file: LocalFile = readLocalFile(head, at, null);
    yield file;
    at = file.end;
  }
  for (let at = findDirectory(head); hasAt(head, at, signatures.central) && work.step();) {
    const lengths = [28, 30, 32].map((offset) => readUint16LE(head, at + offset));
    yield {
      name: readText(head, at + headerBytes.central, lengths[0] ?? 0),
      readContent: readLocalFile(head, readUint32LE(head, at + 42), readUint32LE(head, at + 20)).readContent,
    };
    at += headerBytes.central + lengths.reduce((sum, length) => sum + length, 0);
  }
}

/** @param knownBytes compressed length of the content; null: the length in its own header */
function readLocalFile(head: Uint8Array, at: number, knownBytes: number | null): LocalFile {
  const [flags, method, nameBytes, extraBytes] = [6, 8, 26, 28].map((offset) => readUint16LE(head, at + offset)) as [
    number,
    number,
    number,
    number,
  ];
  const start = at + headerBytes.local + nameBytes + extraBytes;
  const bytes = knownBytes ?? readUint32LE(head, at + 18);
  const isUnknown = knownBytes === null && bytes === 0 && (flags & hasDescriptorFlag) !== 0;
  const found = isUnknown ? findDescriptor(head, start) : { at: start + bytes, end: start + bytes };
  return {
    name: readText(head, at + headerBytes.local, nameBytes),
    readContent: () => {
      const content = head.subarray(start, found?.at);
      if (method === methods.stored) return content.subarray(0, maxStoredBytes);
      return method === methods.deflated ? inflateBeginning(content, "deflate") : null;
    },
    end: found?.end ?? null,
  };
}

/**
 * Finds the data descriptor behind a content of unknown length: the one with this length.
 *
 * Its signature is optional, but archivers write it. A signature in the content has another length, also that of an
 * archive in the archive.
 */
function findDescriptor(head: Uint8Array, start: number): { readonly at: number; readonly end: number } | null {
  const searched = Buffer.from(head.buffer, head.byteOffset, head.length);
  for (
    let at = searched.indexOf(descriptorSignature, start);
    at >= 0;
    at = searched.indexOf(descriptorSignature, at + 1)
  ) {
    if (readUint32LE(head, at + 8) !== at - start) continue;
    const isLong = hasAt(head, at + descriptorBytes.zip64, "PK") && !hasAt(head, at + descriptorBytes.usual, "PK");
    return { at, end: at + (isLong ? descriptorBytes.zip64 : descriptorBytes.usual) };
  }
  return null;
}

/** The offset of the central directory, if the end of the archive is in the head; else one without an entry. */
function findDirectory(head: Uint8Array): number {
  const searched = Buffer.from(head.buffer, head.byteOffset, head.length);
  const end = searched.lastIndexOf(signatures.end, undefined, "latin1");
  const isWhole = end >= 0 && end + headerBytes.end <= head.length;
  return isWhole ? readUint32LE(head, end + 16) : head.length;
}
