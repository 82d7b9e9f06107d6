import { type Preview, isBlurhash, isThumbhash, isThumbnail } from "../domain/metadata.ts";
import { isDurationMs, isSide } from "../domain/size.ts";
import { type Cost, type DecodableName, type Format, formats } from "./formats/index.ts";

// The protocol between the decoder and its workers, over one socket. A request is a header of numbers and the bytes of
// the body. The worker sends a line of JSON when it accepts the request and one with the answer, then perhaps the
// bytes of a clip. Node's own IPC channel is not used: it copies bodies, and throws uncatchably in the parent if a
// compromised worker writes invalid JSON.

/** The settings of a worker: its one argument, as JSON. */
export interface WorkerSettings {
  readonly formats: readonly DecodableName[];
  /** Whether to cut clips of videos, for ffmpeg. */
  readonly clips: boolean;
}

export const operations = ["measure", "describe"] as const;
export type Operation = (typeof operations)[number];

export interface Request {
  readonly number: number;
  readonly operation: Operation;
  readonly format: Format;
  /** Bytes of the body that follows. */
  readonly bytes: number;
  /** Work budget: maximum estimated cost of decoding; beyond it the picture is only measured. */
  readonly allowed: Cost;
}

export const requestBytes = 6 * Float64Array.BYTES_PER_ELEMENT;

export function encodeRequest({ number, operation, format, bytes, allowed }: Request): Uint8Array {
  const names = [operations.indexOf(operation), formats.indexOf(format)];
  return new Uint8Array(Float64Array.of(number, ...names, bytes, allowed.bytes, allowed.milliseconds).buffer);
}

/** Decodes a request, in the worker, which trusts its parent. */
export function decodeRequest(header: Buffer): Request {
  const numbers = new Float64Array(Uint8Array.from(header).buffer);
  const [number = 0, operation = 0, format = 0, bytes = 0, maxBytes = 0, maxMilliseconds = 0] = numbers;
  const found = { operation: operations[operation], format: formats[format] };
  if (!found.operation || !found.format) throw new Error("not a request");
  const allowed = { bytes: maxBytes, milliseconds: maxMilliseconds };
  return { number, operation: found.operation, format: found.format, bytes, allowed };
}

/** Metadata of a file without its pixels; null if the file has no such value. */
export interface Facts {
  /** In pixels, as displayed. */
  readonly width: number | null;
  readonly height: number | null;
  readonly animated: boolean | null;
  readonly durationMs: number | null;
}

/** The beginning of a video: its first seconds, remuxed to Matroska, or else the first bytes of the file itself. */
export interface Clip {
  readonly bytes: Uint8Array;
  readonly container: Container;
  /** Rotation for display, in degrees clockwise. */
  readonly rotation: Rotation;
}

export const containers = ["matroska", "avi", "ogg", "mov", "flv", "asf", "mpeg", "mpegvideo"] as const;
export type Container = (typeof containers)[number];

export const rotations = [0, 90, 180, 270] as const;
export type Rotation = (typeof rotations)[number];

/** The answer of a worker about a body. */
export interface WorkerAnswer extends Facts, Preview {
  readonly number: number;
  /** `too_many_pixels`: a pixel bomb, or any picture whose estimate exceeds the work budget of the request. */
  readonly warning: "decode_failed" | "too_many_pixels" | null;
  /** Estimated memory of the decode; 0 if unknown. */
  readonly expectedBytes: number;
  /** Estimated time of the decode; 0 if unknown. */
  readonly expectedMs: number;
  readonly decodeMs: number;
  readonly hashMs: number;
  /** Length of the clip that follows; 0 without a clip. */
  readonly clipBytes: number;
  readonly container: Clip["container"];
  readonly rotation: Clip["rotation"];
  /** Resident memory of the worker after the decode. */
  readonly rssBytes: number;
}

// Enough to get past a black beginning of most videos, and a bound on the output of a worker.
export const maxClipBytes = 4 * 1024 ** 2;

/** Maximum length of a line: an answer is some 700 characters. */
export const maxLineBytes = 1536;

const isInteger = (value: unknown, least: number) => Number.isSafeInteger(value) && (value as number) >= least;
const isElapsedMs = (value: unknown) => typeof value === "number" && value >= 0 && value < 1e9;

/** Validation rules of an answer, by field: a compromised worker may send anything. */
const rules: { readonly [Key in keyof WorkerAnswer]: (value: unknown) => boolean } = {
  number: (value) => isInteger(value, 0),
  width: (value) => value === null || isSide(value),
  height: (value) => value === null || isSide(value),
  animated: (value) => value === null || typeof value === "boolean",
  durationMs: (value) => value === null || isDurationMs(value),
  blurhash: (value) => value === null || (typeof value === "string" && isBlurhash(value)),
  thumbhash: (value) => value === null || (typeof value === "string" && isThumbhash(value)),
  thumbnail: (value) => value === null || (typeof value === "string" && isThumbnail(value)),
  warning: (value) => value === null || value === "decode_failed" || value === "too_many_pixels",
  expectedBytes: (value) => isInteger(value, 0),
  expectedMs: isElapsedMs,
  decodeMs: isElapsedMs,
  hashMs: isElapsedMs,
  clipBytes: (value) => isInteger(value, 0) && (value as number) <= maxClipBytes,
  container: (value) => containers.some((container) => container === value),
  rotation: (value) => rotations.some((rotation) => rotation === value),
  rssBytes: (value) => isInteger(value, 0),
};

/**
 * Parses a line as the answer to a request.
 *
 * @returns `invalid` if it has this request's number and a valid `clipBytes`, but another value is out of range: the
 *   next line can be read; null if it is no answer to this request: the position in the stream is lost
 */
export function parseAnswer(line: string, number: number): WorkerAnswer | "invalid" | null {
  const value = parseObject(line);
  if (value?.number !== number || !rules.clipBytes(value.clipBytes)) return null;
  for (const [key, rule] of Object.entries(rules)) if (!rule(value[key])) return "invalid";
  return value as unknown as WorkerAnswer;
}

/** Parses the length of the clip after a line; 0 after most. */
export function clipBytesBehind(line: string): number {
  const clipBytes = parseObject(line)?.clipBytes;
  return rules.clipBytes(clipBytes) ? (clipBytes as number) : 0;
}

/** Whether the line accepts this request: the worker will read its body. */
export function isTaken(line: string, number: number): boolean {
  return parseObject(line)?.taken === number;
}

/** The first line of a worker: the version of libvips when it is ready, else the reason of the failed start. */
export type Greeting = { readonly libvips: string } | { readonly fault: string };

export function parseGreeting(line: string): Greeting {
  const { libvips, fault } = parseObject(line) ?? {};
  if (typeof libvips === "string" && /^[\w.+-]{1,32}$/.test(libvips)) return { libvips };
  return { fault: typeof fault === "string" ? fault : "it said nothing that could be understood" };
}

function parseObject(line: string): Record<string, unknown> | null {
  try {
    const value: unknown = JSON.parse(line);
    return typeof value === "object" && value !== null ? (value as Record<string, unknown>) : null;
  } catch {
    return null;
  }
}
