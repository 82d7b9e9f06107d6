import { createWorkBudget, hasAt, memoized, readUint32LE } from "./bytes.ts";
import { type Size, createSize } from "../raster.ts";
import type { Row } from "./format.ts";
import type { FactsStep, ReceivedFile } from "./plan.ts";
import { createSoundPlan, createVideoPlan, createFacts, needFacts } from "./header-facts.ts";
import { audio, video } from "./tracks.ts";

// Microsoft, Advanced Systems Format specification 10: GUIDs, the first three groups little-endian.
const header = [0x30, 0x26, 0xb2, 0x75, 0x8e, 0x66, 0xcf, 0x11, 0xa6, 0xd9, 0x00, 0xaa, 0x00, 0x62, 0xce, 0x6c];
const streamProperties = [0x91, 0x07, 0xdc, 0xb7, 0xb7, 0xa9, 0xcf, 0x11, 0x8e, 0xe6, 0, 0xc0, 0x0c, 0x20, 0x53, 0x65];
const fileProperties = [0xa1, 0xdc, 0xab, 0x8c, 0x47, 0xa9, 0xcf, 0x11, 0x8e, 0xe4, 0, 0xc0, 0x0c, 0x20, 0x53, 0x65];
const audioMedia = [0x40, 0x9e, 0x69, 0xf8, 0x4d, 0x5b, 0xcf, 0x11, 0xa8, 0xfd, 0x00, 0x80, 0x5f, 0x5c, 0x44, 0x2b];
const videoMedia = [0xc0, 0xef, 0x19, 0xbc, 0x4d, 0x5b, 0xcf, 0x11, 0xa8, 0xfd, 0x00, 0x80, 0x5f, 0x5c, 0x44, 0x2b];

const headerBytes = 30;
const objectHeaderBytes = 24;
// Of the objects that are read: up to the flags of the file, and up to the size of a video.
const readBytes = 92;
// Covers are in the header too. A header beyond this has no facts.
const maxHeaderBytes = 8 * 1024 ** 2;
const broadcastFlag = 1;

/** An object in the header: its offset, and the offset of the next one. */
export interface AsfObject {
  readonly at: number;
  readonly end: number;
  readonly kind: "file" | "audio" | "video" | "other";
}

export function isAsf(head: Uint8Array): boolean {
  return hasAt(head, 0, header);
}

/** Length of the header object, which holds all objects that describe the file. */
export function asfHeaderBytes(head: Uint8Array): number {
  return readLength(head, 16);
}

/** The objects in the header whose own headers have arrived, a step each (3.1). */
export function* asfObjects(head: Uint8Array): Generator<AsfObject> {
  const end = Math.min(head.length, asfHeaderBytes(head));
  const work = createWorkBudget();
  for (let at = headerBytes; at + objectHeaderBytes + streamProperties.length <= end && work.step();) {
    const bytes = readLength(head, at + 16);
    if (bytes < objectHeaderBytes) return;
    yield { at, end: at + bytes, kind: kindOf(head, at) };
    at += bytes;
  }
}

function kindOf(head: Uint8Array, at: number): AsfObject["kind"] {
  if (hasAt(head, at, fileProperties)) return "file";
  if (!hasAt(head, at, streamProperties)) return "other";
  if (hasAt(head, at + objectHeaderBytes, videoMedia)) return "video";
  return hasAt(head, at + objectHeaderBytes, audioMedia) ? "audio" : "other";
}

/** 64 bits, little-endian; inexact from 2^53 on. */
export function readLength(head: Uint8Array, at: number): number {
  return readUint32LE(head, at + 4) * 2 ** 32 + readUint32LE(head, at);
}

/** Sniffs the kind from the streams; `unknown` if the header goes on behind the head, without a video so far. */
function readAsf(head: Uint8Array): "audio" | "video" | "unknown" | null {
  if (!isAsf(head)) return null;
  const kinds = new Set([...asfObjects(head)].map(({ kind }) => kind));
  if (kinds.has("video")) return "video";
  return kinds.has("audio") && asfHeaderBytes(head) <= head.length ? "audio" : "unknown";
}

const asfIn = memoized(readAsf);

/** The duration in the file properties (3.2), in units of 100 ns, without the preroll in ms; null of a live stream. */
function readSeconds(prefix: Uint8Array, at: number): number | null {
  if (((prefix[at + 88] ?? 0) & broadcastFlag) !== 0) return null;
  return readLength(prefix, at + 64) / 1e7 - readLength(prefix, at + 80) / 1000;
}

/** The size of the first video, in the properties of its stream (3.3 and 9.2). */
function readSize(prefix: Uint8Array, at: number): Size | null {
  return createSize(readUint32LE(prefix, at + 78), readUint32LE(prefix, at + 82));
}

function planFacts(file: ReceivedFile): FactsStep {
  const { prefix } = file;
  let [seconds, size]: [number | null, Size | null] = [null, null];
  let next = headerBytes;
  for (const { at, end, kind } of asfObjects(prefix)) {
    if (at + readBytes > prefix.length && kind !== "other") break;
    if (kind === "file") seconds ??= readSeconds(prefix, at);
    if (kind === "video") size ??= readSize(prefix, at);
    next = end;
  }
  const known = createFacts(seconds, size);
  const isEnd = next >= asfHeaderBytes(prefix) && prefix.length >= headerBytes;
  if (isEnd || (seconds !== null && size) || next > maxHeaderBytes) return known;
  return needFacts(file, next + readBytes, known);
}

const asfVideoPlan = createVideoPlan(planFacts);
const asfAudioPlan = createSoundPlan(planFacts);

export const asfVideo = {
  type: "video/x-ms-asf",
  kind: "video",
  matches: (head) => asfIn(head) === "video",
  aliases: ["application/vnd.ms-asf"],
  refinedBy: /^video\/x-ms-wmv?$/,
  plan: asfVideoPlan,
  decoding: { ...video, reader: "headers" },
} as const satisfies Row;

export const asfAudio = {
  type: "audio/x-ms-asf",
  kind: "audio",
  matches: (head) => asfIn(head) === "audio",
  aliases: ["application/vnd.ms-asf", "video/x-ms-asf"],
  refinedBy: /^audio\/x-ms-wma$/,
  plan: asfAudioPlan,
  decoding: { ...audio, reader: "headers" },
} as const satisfies Row;

export const asf = {
  type: "application/vnd.ms-asf",
  kind: "video",
  matches: (head) => asfIn(head) === "unknown",
  refinedBy: /^(?:audio|video)\/x-ms-(?:asf|wm[av]?)$/,
  plan: asfVideoPlan,
  decoding: { ...video, reader: "headers" },
} as const satisfies Row;
