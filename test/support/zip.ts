import { crc32, deflateRawSync } from "node:zlib";

/** A file in an archive. */
export interface ZipPart {
  readonly name: string;
  readonly content: string | Buffer;
  /** Default: deflated. */
  readonly isStored?: boolean;
  /** Whether the lengths stand behind the content, as in archives that are written to a pipe. */
  readonly hasDescriptor?: boolean;
}

function header(signature: string, bytes: number, fields: Readonly<Record<number, number>>): Buffer {
  const buffer = Buffer.alloc(bytes);
  buffer.write(signature, "latin1");
  for (const [at, value] of Object.entries(fields)) buffer.writeUInt16LE(value, Number(at));
  return buffer;
}

function local({ name, content, isStored = false, hasDescriptor = false }: ZipPart): Buffer {
  const bytes = Buffer.from(content);
  const packed = isStored ? bytes : deflateRawSync(bytes);
  const lengths = Buffer.alloc(12);
  lengths.writeUInt32LE(crc32(bytes), 0);
  lengths.writeUInt32LE(packed.length, 4);
  lengths.writeUInt32LE(bytes.length, 8);
  const start = header("PK\x03\x04", 30, { 4: 20, 6: hasDescriptor ? 8 : 0, 8: isStored ? 0 : 8, 26: name.length });
  if (!hasDescriptor) lengths.copy(start, 14);
  const descriptor = hasDescriptor ? Buffer.concat([Buffer.from("PK\x07\x08", "latin1"), lengths]) : Buffer.alloc(0);
  return Buffer.concat([start, Buffer.from(name), packed, descriptor]);
}

/** A whole ZIP archive (PKWARE APPNOTE 4.3.6). */
export function zip(...parts: readonly ZipPart[]): Buffer {
  const files = parts.map(local);
  let at = 0;
  const directory = parts.map((part, index) => {
    const file = files[index]!;
    const entry = header("PK\x01\x02", 46, { 4: 20, 6: 20, 28: part.name.length });
    file.copy(entry, 8, 6, 14);
    // The lengths of a content are behind it, or in its header.
    const lengths = part.hasDescriptor ? file.subarray(-12) : file.subarray(14, 26);
    lengths.copy(entry, 16);
    entry.writeUInt32LE(at, 42);
    at += file.length;
    return Buffer.concat([entry, Buffer.from(part.name)]);
  });
  const entries = Buffer.concat(directory);
  const end = header("PK\x05\x06", 22, { 8: parts.length, 10: parts.length });
  end.writeUInt32LE(entries.length, 12);
  end.writeUInt32LE(at, 16);
  return Buffer.concat([...files, entries, end]);
}

/** The list of parts of an Office document, whose main part has this type. */
export function contentTypes(main: string): ZipPart {
  const list = `<Override PartName="/main.xml" ContentType="${main}"/>`;
  return { name: "[Content_Types].xml", content: `<?xml version="1.0"?><Types xmlns="x">${list}</Types>` };
}

/** An archive whose first file names its media type. */
export function named(type: string): Buffer {
  return zip({ name: "mimetype", content: type, isStored: true }, { name: "content.xml", content: "<a/>" });
}
