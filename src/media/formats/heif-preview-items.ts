import { createWorkBudget, hasAt, readText, readUint16, readUint32 } from "./bytes.ts";
import { type Items, propertiesOf, readItems, readNumber, readThumbnail, versionBytes } from "./heif-items.ts";
import { boxes, findBox } from "./isobmff.ts";

/** A range of the file that holds data of an item, and the positions of its fields in the `meta` box. */
export interface Extent {
  readonly from: number;
  readonly to: number;
  /** Positions of the fields of its offset and its length, for {@link writeNumber}. */
  readonly offsetAt: number;
  readonly lengthAt: number;
}

/** Where the data of an item lies (ISO/IEC 14496-12, 8.11.3). */
export interface Location {
  readonly extents: readonly Extent[];
  /** Position of the field of the base offset, which is added to all offsets. */
  readonly baseAt: number;
  /** False if the data lies in another file or another item, or has no length. */
  readonly isPlain: boolean;
}

export interface Locations {
  readonly items: ReadonlyMap<number, Location>;
  /** Bytes of the fields: 0, 4 or 8. */
  readonly offsetBytes: number;
  readonly lengthBytes: number;
  readonly baseBytes: number;
}

/** The items of a file, and which of them a decoder reads for the preview. */
export interface PreviewItems {
  readonly locations: Locations;
  /** Those whose pixels are decoded, and all that a decoder reads before. */
  readonly needed: ReadonlySet<number>;
}

// Makers describe each item in some ten bytes. In extents, of all items.
const maxExtents = 4096;

/** Items that are made of others, by a few bytes that a decoder reads at once (ISO/IEC 23008-12, 6.6.2; 21496-1 for `tmap`). */
const derivedTypes: readonly string[] = ["grid", "iovl", "tmap"];
/** Pictures that a file may show. `tmap`, the primary one with its gain map, is read as the primary one. */
const pictureTypes: readonly string[] = [
  "grid",
  "iovl",
  "iden",
  "av01",
  "hvc1",
  "avc1",
  "vvc1",
  "jpeg",
  "j2k1",
  "unci",
];

/** ISO/IEC 23008-12, 6.5.8; MPEG-B part 8. */
const alphaTypes: readonly string[] = [
  "urn:mpeg:mpegB:cicp:systems:auxiliary:alpha",
  "urn:mpeg:hevc:2015:auxid:1",
  "urn:mpeg:avc:2015:auxid:1",
];

function readField(body: Uint8Array, at: number, bytes: number): number {
  if (bytes === 0) return 0;
  return bytes === 4 ? readUint32(body, at) : readUint32(body, at) * 2 ** 32 + readUint32(body, at + 4);
}

function readLocations(body: Uint8Array): Locations | null {
  const work = createWorkBudget();
  const meta = findBox(boxes(body, 0, body.length, work), "meta");
  const list = meta && findBox(boxes(body, meta.start + versionBytes, meta.end, work), "iloc");
  if (!list) return null;
  const version = body[list.start] ?? 0;
  const [sizes = 0, moreSizes = 0] = body.subarray(list.start + 4, list.start + 6);
  const [offsetBytes, lengthBytes, baseBytes] = [sizes >> 4, sizes & 15, moreSizes >> 4];
  const indexBytes = version === 0 ? 0 : moreSizes & 15;
  if (version > 2 || [offsetBytes, lengthBytes, baseBytes, indexBytes].some((bytes) => ![0, 4, 8].includes(bytes)))
    return null;
  const idBytes = version === 2 ? 4 : 2;
  const count = readNumber(body, list.start + 6, idBytes);
  const items = new Map<number, Location>();
  let at = list.start + 6 + idBytes;
  let extentsLeft = maxExtents;
  for (let index = 0; index < count; index += 1) {
    const item = readNumber(body, at, idBytes);
    at += idBytes;
    const method = version === 0 ? 0 : readUint16(body, at) & 15;
    at += version === 0 ? 0 : 2;
    const isHere = readUint16(body, at) === 0;
    const baseAt = at + 2;
    const base = readField(body, baseAt, baseBytes);
    const extentCount = readUint16(body, baseAt + baseBytes);
    at = baseAt + baseBytes + 2;
    const extents: Extent[] = [];
    for (let extent = 0; extent < extentCount && extentsLeft > 0; extent += 1, extentsLeft -= 1) {
      const offsetAt = at + indexBytes;
      const lengthAt = offsetAt + offsetBytes;
      const from = base + readField(body, offsetAt, offsetBytes);
      extents.push({ from, to: from + readField(body, lengthAt, lengthBytes), offsetAt, lengthAt });
      at = lengthAt + lengthBytes;
    }
    if (at > list.end || extentsLeft <= 0 || (extentsLeft -= 1) <= 0 || items.has(item)) return null;
    const isMeasured = extents.every(({ from, to }) => to > from && Number.isSafeInteger(to));
    // Method 1: inside the `meta` box, so always here.
    const isInside = method === 1;
    const isPlain = isHere && method <= 1 && isMeasured && (offsetBytes > 0 || extents.length <= 1);
    items.set(item, { extents: isInside ? [] : extents, baseAt, isPlain });
  }
  return { items, offsetBytes, lengthBytes, baseBytes };
}

/** The types of the items (ISO/IEC 14496-12, 8.11.6), those of hidden ones too. */
function readTypes(body: Uint8Array): Map<number, string> {
  const work = createWorkBudget();
  const types = new Map<number, string>();
  const meta = findBox(boxes(body, 0, body.length, work), "meta");
  const list = meta && findBox(boxes(body, meta.start + versionBytes, meta.end, work), "iinf");
  if (!list) return types;
  const countBytes = body[list.start] === 0 ? 2 : 4;
  for (const { type, start } of boxes(body, list.start + versionBytes + countBytes, list.end, work)) {
    if (type !== "infe") continue;
    const idBytes = body[start] === 3 ? 4 : 2;
    types.set(readNumber(body, start + versionBytes, idBytes), readText(body, start + versionBytes + idBytes + 2, 4));
  }
  return types;
}

interface Reference {
  readonly type: string;
  readonly from: number;
  readonly to: readonly number[];
}

/** ISO/IEC 14496-12, 8.11.12. Null if there are too many. */
function readReferences(body: Uint8Array, { references, hasLongIds }: Items): Reference[] | null {
  const work = createWorkBudget();
  const idBytes = hasLongIds ? 4 : 2;
  const found: Reference[] = [];
  for (const { type, start, end } of references) {
    const to: number[] = [];
    const listEnd = Math.min(end, start + idBytes + 2 + idBytes * readUint16(body, start + idBytes));
    for (let at = start + idBytes + 2; at < listEnd; at += idBytes) {
      if (!work.step()) return null;
      to.push(readNumber(body, at, idBytes));
    }
    found.push({ type, from: readNumber(body, start, idBytes), to });
  }
  return found;
}

/** The items that are the opacity of another. */
function readAlphaItems(body: Uint8Array, items: Items): Set<number> {
  const found = new Set<number>();
  for (const item of items.associations.keys()) {
    const property = findBox(propertiesOf(item, items), "auxC");
    if (property && alphaTypes.some((name) => hasAt(body, property.start + versionBytes, name))) found.add(item);
  }
  return found;
}

/** An item, those that it is made of, their opacity, and so on. */
function closureOf(item: number, references: readonly Reference[], alphaItems: ReadonlySet<number>): Set<number> {
  const neighbours = new Map<number, number[]>();
  const link = (from: number, to: number) => {
    const list = neighbours.get(from);
    if (list) list.push(to);
    else neighbours.set(from, [to]);
  };
  for (const { type, from, to } of references) {
    if (type === "dimg") for (const part of to) link(from, part);
    if (type === "auxl" && alphaItems.has(from)) for (const master of to) link(master, from);
  }
  const found = new Set([item]);
  for (const next of found) for (const neighbour of neighbours.get(next) ?? []) found.add(neighbour);
  return found;
}

/**
 * Finds the items that the decoder reads.
 *
 * @param body the `ftyp` and `meta` boxes, whole
 * @param options `byReader`: libheif decodes it, a thumbnail if there is one; else libvips, which takes the first picture
 * @returns null if that is unknown
 */
export function readPreviewItems(body: Uint8Array, { byReader }: { readonly byReader: boolean }): PreviewItems | null {
  const items = readItems(body);
  const locations = readLocations(body);
  const references = items && readReferences(body, items);
  if (!items || !locations || !references) return null;
  const types = readTypes(body);
  const shown = (byReader ? readThumbnail(body)?.item : null) ?? items.primary;
  const needed = closureOf(shown, references, readAlphaItems(body, items));
  if (!byReader && !isOnlyPicture(items.primary, types, references)) return null;
  for (const [item, type] of types) if (derivedTypes.includes(type)) needed.add(item);
  for (const item of needed) if (locations.items.get(item)?.isPlain === false) return null;
  return { locations, needed };
}

/** Whether there is no other picture that is shown: one that is no thumbnail, no auxiliary, and no part of another. */
function isOnlyPicture(primary: number, types: ReadonlyMap<number, string>, references: readonly Reference[]): boolean {
  const parts = new Set<number>();
  for (const { type, from, to } of references) {
    if (type === "thmb" || type === "auxl") parts.add(from);
    if (type === "dimg") for (const item of to) parts.add(item);
  }
  const shown = [...types].filter(([item, type]) => pictureTypes.includes(type) && !parts.has(item));
  return shown.length === 1 && shown[0]?.[0] === primary;
}
