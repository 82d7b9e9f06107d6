import { type WorkBudget, asBuffer, createWorkBudget, readText } from "./bytes.ts";
import { type Element, readElement, readElements, readFloat, readUnsigned } from "./ebml.ts";

/** Identifiers with their length marker, as they stand in the file (RFC 9559 5.1). */
export const ids = {
  header: 0x1a45dfa3,
  docType: 0x4282,
  segment: 0x18538067,
  seekHead: 0x114d9b74,
  info: 0x1549a966,
  tracks: 0x1654ae6b,
  cluster: 0x1f43b675,
  cues: 0x1c53bb6b,
  attachments: 0x1941a469,
  timestampScale: 0x2ad7b1,
  duration: 0x4489,
  track: 0xae,
  trackNumber: 0xd7,
  trackType: 0x83,
  defaultDuration: 0x23e383,
  timestamp: 0xe7,
  simpleBlock: 0xa3,
  blockGroup: 0xa0,
  block: 0xa1,
  blockDuration: 0x9b,
};

// Some thousand blocks are in a cluster of half a minute.
const maxSteps = 32_768;
const defaultScale = 1e6; // nanoseconds
// The header of an element: identifier and size.
export const maxElementHeaderBytes = 12;

export function createElementSteps(): WorkBudget {
  return createWorkBudget(maxSteps);
}

export interface MatroskaTrack {
  readonly isVideo: boolean;
  /** Of a block that does not give its own; 0 if unknown. */
  readonly defaultNanoseconds: number;
}

/** The elements before the first cluster. */
export interface MatroskaHead {
  /** Of a unit of time. */
  readonly scaleNanoseconds: number;
  readonly hasDuration: boolean;
  /** Pictures and sounds, by their number. */
  readonly tracks: ReadonlyMap<number, MatroskaTrack>;
  readonly hasAttachments: boolean;
  /** Whether an index of elements names attachments that are further back. */
  readonly namesAttachments: boolean;
  /** Offset of the first cluster. */
  readonly end: number;
}

/** Reads the head; the offset of the first byte that is missing; or null if there is no cluster. */
export function readMatroskaHead(prefix: Uint8Array): MatroskaHead | { readonly missing: number } | null {
  const work = createElementSteps();
  const header = readElement(prefix, 0);
  if (!header && prefix.length < maxElementHeaderBytes) return { missing: maxElementHeaderBytes };
  if (header?.id !== ids.header || header.end === Infinity) return null;
  const segment = readElement(prefix, header.end);
  if (!segment)
    return header.end + maxElementHeaderBytes > prefix.length ? { missing: header.end + maxElementHeaderBytes } : null;
  if (segment.id !== ids.segment) return null;
  let [scaleNanoseconds, hasDuration, hasAttachments, namesAttachments] = [defaultScale, false, false, false];
  const tracks = new Map<number, MatroskaTrack>();
  for (let at = segment.start; at < segment.end && work.step();) {
    const element = readElement(prefix, at);
    if (!element) {
      const isCut = at + maxElementHeaderBytes > prefix.length;
      return isCut ? { missing: at + maxElementHeaderBytes } : null;
    }
    if (element.id === ids.cluster) {
      return { scaleNanoseconds, hasDuration, tracks, hasAttachments, namesAttachments, end: at };
    }
    if (element.end === Infinity) return null;
    if (element.end > prefix.length) return { missing: element.end };
    if (element.id === ids.attachments) hasAttachments = true;
    if (element.id === ids.seekHead) namesAttachments ||= hasBytes(prefix, element, [0x19, 0x41, 0xa4, 0x69]);
    if (element.id === ids.tracks) readTracks(prefix, element, tracks, work);
    if (element.id === ids.info) {
      for (const field of readElements(prefix, element.start, element.end, work)) {
        if (field.id === ids.timestampScale) scaleNanoseconds = readUnsigned(prefix, field) || defaultScale;
        if (field.id === ids.duration) hasDuration = readFloat(prefix, field) > 0;
      }
    }
    at = element.end;
  }
  return null;
}

function hasBytes(bytes: Uint8Array, { start, end }: Element, wanted: readonly number[]): boolean {
  return asBuffer(bytes.subarray(start, end)).includes(Buffer.from(wanted));
}

const trackTypes = { video: 1, audio: 2 };

function readTracks(prefix: Uint8Array, element: Element, tracks: Map<number, MatroskaTrack>, work: WorkBudget): void {
  for (const track of readElements(prefix, element.start, element.end, work)) {
    if (track.id !== ids.track) continue;
    let [number, type, defaultNanoseconds] = [0, 0, 0];
    for (const field of readElements(prefix, track.start, track.end, work)) {
      if (field.id === ids.trackNumber) number = readUnsigned(prefix, field);
      if (field.id === ids.trackType) type = readUnsigned(prefix, field);
      if (field.id === ids.defaultDuration) defaultNanoseconds = readUnsigned(prefix, field);
    }
    const isVideo = type === trackTypes.video;
    if (isVideo || type === trackTypes.audio) tracks.set(number, { isVideo, defaultNanoseconds });
  }
}

/** The type of a file, from its first bytes. */
export interface MatroskaType {
  readonly docType: string;
  /** Of the tracks in these bytes; both false if there is none. */
  readonly hasVideo: boolean;
  readonly hasAudio: boolean;
}

/** Reads the document type and the kinds of the tracks of a Matroska or WebM file; null if it is no EBML. */
export function readMatroskaType(head: Uint8Array): MatroskaType | null {
  const work = createWorkBudget();
  const [header, segment] = readElements(head, 0, head.length, work);
  if (header?.id !== ids.header) return null;
  const docType = findElement(readElements(head, header.start, header.end, work), ids.docType);
  if (!docType) return null;
  const types = new Set<number>();
  const inSegment = segment?.id === ids.segment ? readElements(head, segment.start, segment.end, work) : [];
  for (const tracks of inSegment) {
    if (tracks.id !== ids.tracks) continue;
    for (const track of readElements(head, tracks.start, tracks.end, work)) {
      if (track.id !== ids.track) continue;
      const type = findElement(readElements(head, track.start, track.end, work), ids.trackType);
      if (type) types.add(readUnsigned(head, type));
    }
  }
  // The text may be padded with zeros (RFC 8794 7.4).
  const text = readText(head, docType.start, docType.end - docType.start).replace(/\0.*$/s, "");
  return { docType: text, hasVideo: types.has(trackTypes.video), hasAudio: types.has(trackTypes.audio) };
}

/** The first element with an identifier; reads no further. */
function findElement(list: Iterable<Element>, wanted: number): Element | undefined {
  for (const element of list) if (element.id === wanted) return element;
  return undefined;
}
