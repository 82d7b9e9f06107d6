import { type WorkBudget, createWorkBudget, readText } from "./bytes.ts";

// Identifiers with their length marker, as they stand in the file (RFC 8794 and RFC 9559).
const ids = {
  header: 0x1a45dfa3,
  docType: 0x4282,
  segment: 0x18538067,
  tracks: 0x1654ae6b,
  track: 0xae,
  trackType: 0x83,
};

interface Element {
  readonly id: number;
  readonly start: number;
  readonly end: number;
}

/** Reads a variable-size integer: leading zeros of the first byte give its length (RFC 8794 4); null if cut off. */
export function readVint(head: Uint8Array, at: number, { keepMarker }: { keepMarker: boolean }) {
  const first = head[at] ?? 0;
  const length = Math.clz32(first) - 23;
  if (first === 0 || at + length > head.length) return null;
  let value = keepMarker ? first : first & (0xff >> length);
  let allOnes = (first | (0xff00 >> length)) === (0xff | (0xff00 >> length));
  for (let index = 1; index < length; index += 1) {
    const byte = head[at + index] ?? 0;
    value = value * 256 + byte;
    allOnes &&= byte === 0xff;
  }
  return { value, length, allOnes };
}

/** Iterates over the elements, a step each, cut at the end of the head; one of unknown size takes the rest. */
function* elements(head: Uint8Array, from: number, to: number, work: WorkBudget): Generator<Element> {
  let at = from;
  while (at < to && work.step()) {
    const id = readVint(head, at, { keepMarker: true });
    const size = id && readVint(head, at + id.length, { keepMarker: false });
    if (!id || !size) return;
    const start = at + id.length + size.length;
    const end = size.allOnes ? to : start + size.value;
    yield { id: id.value, start, end: Math.min(end, to) };
    at = end;
  }
}

/** The first element with an identifier; reads no further. */
function find(list: Iterable<Element>, wanted: number): Element | undefined {
  for (const element of list) if (element.id === wanted) return element;
  return undefined;
}

export interface Matroska {
  readonly docType: string;
  /** Of the tracks in the head; both false where none is. */
  readonly hasVideo: boolean;
  readonly hasAudio: boolean;
}

/** Reads the document type and the kinds of the tracks of a Matroska or WebM file; null where it is no EBML. */
export function readMatroska(head: Uint8Array): Matroska | null {
  const work = createWorkBudget();
  const [header, segment] = elements(head, 0, head.length, work);
  if (header?.id !== ids.header) return null;
  const docType = find(elements(head, header.start, header.end, work), ids.docType);
  if (!docType) return null;
  const types = new Set<number>();
  if (segment?.id === ids.segment) {
    for (const tracks of elements(head, segment.start, segment.end, work)) {
      if (tracks.id !== ids.tracks) continue;
      for (const track of elements(head, tracks.start, tracks.end, work)) {
        if (track.id !== ids.track) continue;
        const type = find(elements(head, track.start, track.end, work), ids.trackType);
        if (type) types.add(head[type.end - 1] ?? 0);
      }
    }
  }
  // The text may be padded with zeros (RFC 8794 7.4).
  const text = readText(head, docType.start, docType.end - docType.start).replace(/\0.*$/s, "");
  return { docType: text, hasVideo: types.has(1), hasAudio: types.has(2) };
}
