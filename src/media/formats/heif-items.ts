import { type Size, createSize } from "../raster.ts";
import { type WorkBudget, createWorkBudget, readInt32, readText, readUint16, readUint32 } from "./bytes.ts";
import { type Box, boxes, findBox } from "./isobmff.ts";

// Before the content of many boxes (ISO/IEC 14496-12, 4.2.2).
export const versionBytes = 4;

/** What the `meta` box of a file holds. */
export interface Items {
  readonly primary: number;
  /** All properties. */
  readonly properties: readonly Box[];
  /** By item, the numbers of its properties, from one, in the order in which they apply. */
  readonly associations: ReadonlyMap<number, readonly number[]>;
  readonly references: readonly Box[];
  readonly hasLongIds: boolean;
}

export function readItems(body: Uint8Array): Items | null {
  const work = createWorkBudget();
  const meta = findBox(boxes(body, 0, body.length, work), "meta");
  if (!meta) return null;
  const inMeta = [...boxes(body, meta.start + versionBytes, meta.end, work)];
  const primary = findBox(inMeta, "pitm");
  const properties = findBox(inMeta, "iprp");
  if (!primary || !properties) return null;
  const inProperties = [...boxes(body, properties.start, properties.end, work)];
  const list = findBox(inProperties, "ipco");
  const references = findBox(inMeta, "iref");
  return {
    primary: readNumber(body, primary.start + versionBytes, body[primary.start] === 0 ? 2 : 4),
    properties: list ? [...boxes(body, list.start, list.end, work)] : [],
    associations: readAssociations(body, inProperties, work),
    references: references ? [...boxes(body, references.start + versionBytes, references.end, work)] : [],
    hasLongIds: references !== undefined && body[references.start] !== 0,
  };
}

/**
 * ISO/IEC 23008-12, 9.3.2: for each item a list of property numbers, from one; the first bit means "essential". Read
 * once for all items: a walk for each of them would multiply both numbers.
 */
function readAssociations(body: Uint8Array, inProperties: readonly Box[], work: WorkBudget): Map<number, number[]> {
  const found = new Map<number, number[]>();
  for (const { type, start, end } of inProperties) {
    if (type !== "ipma") continue;
    const idBytes = body[start] === 0 ? 2 : 4;
    const indexBytes = ((body[start + 3] ?? 0) & 1) === 1 ? 2 : 1;
    for (let at = start + 8; at + idBytes < end && work.step();) {
      const item = readNumber(body, at, idBytes);
      const indexes = found.get(item) ?? [];
      found.set(item, indexes);
      const first = at + idBytes + 1;
      at = first + (body[at + idBytes] ?? 0) * indexBytes;
      for (let index = first; index < Math.min(at, end) && work.step(); index += indexBytes) {
        indexes.push(readNumber(body, index, indexBytes) & (indexBytes === 2 ? 0x7fff : 0x7f));
      }
    }
  }
  return found;
}

/** Those of an item, in the order in which they apply. */
export function* propertiesOf(item: number, { properties, associations }: Items): Generator<Box> {
  for (const index of associations.get(item) ?? []) {
    const property = properties[index - 1];
    if (property) yield property;
  }
}

export function readNumber(body: Uint8Array, at: number, bytes: number): number {
  if (bytes === 4) return readUint32(body, at);
  return bytes === 2 ? readUint16(body, at) : (body[at] ?? 0);
}

/** The primary picture's size after cropping and turning. */
export function readHeifSize(body: Uint8Array): Size | null {
  const items = readItems(body);
  return items && sizeOf(items.primary, body, items);
}

/**
 * ISO/IEC 23008-12, 6.5.3, 6.5.9 and 6.5.10. The stored size (`ispe`) describes the picture wherever it stands; the
 * transformations apply in order.
 */
function sizeOf(item: number, body: Uint8Array, items: Items): Size | null {
  const stored = [...propertiesOf(item, items)].findLast(({ type }) => type === "ispe");
  let size = stored ? createSize(readUint32(body, stored.start + 4), readUint32(body, stored.start + 8)) : null;
  for (const { type, start } of propertiesOf(item, items)) {
    if (type === "clap" && size) {
      const { width, height } = size; // no crop is larger than the picture
      size = createSize(Math.min(width, readFraction(body, start)), Math.min(height, readFraction(body, start + 8)));
    }
    if (type === "irot" && size && ((body[start] ?? 0) & 1) === 1) size = createSize(size.height, size.width);
  }
  return size;
}

/** Whether all HEVC in the file has a quarter of the colours and 8 bits, as most has (ISO/IEC 14496-15, 8.3.3.1.2). */
export function hasPlainHevc(body: Uint8Array): boolean {
  const settings = readItems(body)?.properties.filter(({ type }) => type === "hvcC") ?? [];
  return settings.every(({ start }) => {
    const [chroma = 0, lumaBits = 0, chromaBits = 0] = body.subarray(start + 16, start + 19);
    return (chroma & 3) <= 1 && (lumaBits & 7) === 0 && (chromaBits & 7) === 0;
  });
}

// A camera's has half a kilobyte, a printer's half a megabyte.
const maxProfileBytes = 2 ** 20;

/** The primary picture's ICC profile (ISO/IEC 14496-12, 12.1.5); null where it has none. */
export function readProfile(body: Uint8Array): Uint8Array | null {
  const items = readItems(body);
  if (!items) return null;
  for (const { type, start, end } of propertiesOf(items.primary, items)) {
    const isProfile = type === "colr" && ["prof", "rICC"].includes(readText(body, start, 4));
    if (isProfile && end - start <= maxProfileBytes) return body.subarray(start + 4, end);
  }
  return null;
}

/** A small copy of the primary picture. */
export interface Thumbnail extends Size {
  readonly item: number;
}

// A hash is made of 128 x 128; a little less makes no difference that is seen.
const leastThumbnailSide = 100;
const mostDistortion = 0.03;
const maxThumbnails = 16;

/** The smallest thumbnail for a hash; null if there is none of the same proportions (ISO/IEC 23008-12, 6.4.4). */
export function readThumbnail(body: Uint8Array): Thumbnail | null {
  const items = readItems(body);
  const whole = items && sizeOf(items.primary, body, items);
  if (!whole) return null;
  const found: Thumbnail[] = [];
  for (const { type, start } of items.references.slice(0, maxThumbnails)) {
    const idBytes = items.hasLongIds ? 4 : 2;
    if (type !== "thmb" || readNumber(body, start + idBytes + 2, idBytes) !== items.primary) continue;
    const item = readNumber(body, start, idBytes);
    const size = sizeOf(item, body, items);
    if (size && isLike(size, whole)) found.push({ ...size, item });
  }
  return found.sort((one, other) => one.width * one.height - other.width * other.height)[0] ?? null;
}

function isLike({ width, height }: Size, whole: Size): boolean {
  const distortion = Math.abs((width * whole.height) / (height * whole.width) - 1);
  return distortion <= mostDistortion && Math.min(width, height) >= leastThumbnailSide;
}

function readFraction(body: Uint8Array, at: number): number {
  const denominator = readInt32(body, at + 4);
  return denominator > 0 ? Math.round(readInt32(body, at) / denominator) : 0;
}
