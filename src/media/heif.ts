import { readInt32, readUint16, readUint32 } from "./bytes.ts";
import { type Box, boxes } from "./isobmff.ts";
import type { Size } from "./pixels.ts";

/** Properties of the primary item, in the order in which they apply. */
function* primaryProperties(body: Uint8Array): Generator<Box> {
  const meta = find(boxes(body, 0, body.length), "meta");
  if (!meta) return;
  const inMeta = [...boxes(body, meta.start + 4, meta.end)]; // behind version and flags
  const primary = find(inMeta, "pitm");
  const properties = find(inMeta, "iprp");
  if (!primary || !properties) return;
  const inProperties = [...boxes(body, properties.start, properties.end)];
  const list = find(inProperties, "ipco");
  if (!list) return;
  const all = [...boxes(body, list.start, list.end)];
  const item = readNumber(body, primary.start + 4, body[primary.start] === 0 ? 2 : 4);
  for (const associations of inProperties.filter(({ type }) => type === "ipma")) {
    for (const index of indexesOf(item, body, associations)) {
      const property = all[index - 1];
      if (property) yield property;
    }
  }
}

/** ISO/IEC 23008-12, 9.3.2: for each item a list of property numbers, from one; the first bit says "essential". */
function* indexesOf(item: number, body: Uint8Array, { start, end }: Box): Generator<number> {
  const idBytes = body[start] === 0 ? 2 : 4;
  const indexBytes = ((body[start + 3] ?? 0) & 1) === 1 ? 2 : 1;
  for (let at = start + 8; at + idBytes < end;) {
    const isWanted = readNumber(body, at, idBytes) === item;
    const count = body[at + idBytes] ?? 0;
    const first = at + idBytes + 1;
    at = first + count * indexBytes;
    if (!isWanted) continue;
    for (let index = first; index < Math.min(at, end); index += indexBytes) {
      yield readNumber(body, index, indexBytes) & (indexBytes === 2 ? 0x7fff : 0x7f);
    }
  }
}

function readNumber(body: Uint8Array, at: number, bytes: number): number {
  if (bytes === 4) return readUint32(body, at);
  return bytes === 2 ? readUint16(body, at) : (body[at] ?? 0);
}

function find(list: Iterable<Box>, type: string): Box | undefined {
  for (const box of list) if (box.type === type) return box;
  return undefined;
}

/** The primary picture's size after cropping and turning (ISO/IEC 23008-12, 6.5.3, 6.5.9, 6.5.10). */
export function readHeifSize(body: Uint8Array): Size | null {
  let size: Size | null = null;
  for (const { type, start } of primaryProperties(body)) {
    if (type === "ispe") size = { width: readUint32(body, start + 4), height: readUint32(body, start + 8) };
    if (type === "clap") size = { width: readFraction(body, start), height: readFraction(body, start + 8) };
    if (type === "irot" && size && ((body[start] ?? 0) & 1) === 1) size = { width: size.height, height: size.width };
  }
  return size && size.width > 0 && size.height > 0 ? size : null;
}

function readFraction(body: Uint8Array, at: number): number {
  const denominator = readInt32(body, at + 4);
  return denominator > 0 ? Math.round(readInt32(body, at) / denominator) : 0;
}

/**
 * A file of a picture and an animation, renamed to one of a picture alone, which libvips opens; the picture is the first
 * frame (AV1 Image File Format 6.3).
 *
 * @param body is changed
 */
export function asStill(body: Uint8Array): Uint8Array {
  const [first] = boxes(body, 0, body.length);
  if (first?.type === "ftyp" && readUint32(body, first.start) === 0x61766973)
    body.set([0x61, 0x76, 0x69, 0x66], first.start);
  return body;
}
