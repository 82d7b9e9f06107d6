import { box, latin1 } from "./heads.ts";
import { uint } from "./worst-cases.ts";

// Files of audio and video from bytes: their headers alone have a meaning.

export function uintLE(bytes: number, value: number): Buffer {
  const buffer = Buffer.alloc(bytes);
  buffer.writeUIntLE(value, 0, bytes);
  return buffer;
}

/** A chunk of RIFF, padded to an even length. */
export function chunk(type: string, content: Buffer, bytes = content.length): Buffer {
  return Buffer.concat([latin1(type), uintLE(4, bytes), content, Buffer.alloc(content.length % 2)]);
}

export interface WavOptions {
  readonly format: number;
  readonly channels?: number;
  readonly rate: number;
  readonly bytesPerSecond: number;
  readonly blockBytes: number;
  readonly blockSamples?: number;
  readonly factSamples?: number;
  readonly dataBytes: number;
  /** As declared, if that is another length. */
  readonly declaredBytes?: number;
  readonly riffBytes?: number;
}

export function wavFile(options: WavOptions): Buffer {
  const { format, channels = 1, rate, bytesPerSecond, blockBytes, blockSamples, factSamples, dataBytes } = options;
  const fixed = [uintLE(2, format), uintLE(2, channels), uintLE(4, rate), uintLE(4, bytesPerSecond)];
  const extension = blockSamples === undefined ? [] : [uintLE(2, 2), uintLE(2, blockSamples)];
  const parts = [
    chunk("fmt ", Buffer.concat([...fixed, uintLE(2, blockBytes), uintLE(2, 4), ...extension])),
    ...(factSamples === undefined ? [] : [chunk("fact", uintLE(4, factSamples))]),
    chunk("data", Buffer.alloc(dataBytes), options.declaredBytes),
  ];
  const content = Buffer.concat([latin1("WAVE"), ...parts]);
  return chunk("RIFF", content, options.riffBytes);
}

function chunkBE(type: string, ...contents: readonly Buffer[]): Buffer {
  const content = Buffer.concat(contents);
  return Buffer.concat([latin1(type), uint(4, content.length), content, Buffer.alloc(content.length % 2)]);
}

/** AIFC of 44.1 kHz. */
export function aifcFile(coding: string, count: number, bits: number, soundBytes: number, channels = 1): Buffer {
  const rate = Buffer.from([0x40, 0x0e, 0xac, 0x44, 0, 0, 0, 0, 0, 0]);
  const common = chunkBE("COMM", uint(2, channels), uint(4, count), uint(2, bits), rate, latin1(coding), uint(2, 0));
  return Buffer.concat([chunkBE("FORM", latin1("AIFC"), common, chunkBE("SSND", Buffer.alloc(8 + soundBytes)))]);
}

const full = Buffer.alloc(4);
const matrix = Buffer.concat([0x10000, 0, 0, 0, 0x10000, 0, 0, 0, 0x40000000].map((value) => uint(4, value)));
const turned = Buffer.concat([0, 0x10000, 0, 0xffff0000, 0, 0, 0, 0, 0x40000000].map((value) => uint(4, value)));

export interface TrackOptions {
  readonly handler?: "vide" | "soun";
  readonly codec?: string;
  /** In units of a thousandth of a second; the largest number means unknown. */
  readonly duration?: number;
  /** Samples of 100 ms. */
  readonly samples?: number;
  /** Of `elst`: durations and media times. */
  readonly edits?: readonly (readonly [number, number])[];
  readonly coded?: readonly [number, number];
  readonly displayed?: readonly [number, number];
  readonly aspect?: readonly [number, number];
  readonly isTurned?: boolean;
}

/** A movie header of these tracks, whose times are thousandths of a second. */
export function movieHeader(tracks: readonly TrackOptions[], ...others: readonly Buffer[]): Buffer {
  const time = (duration: number) => Buffer.concat([Buffer.alloc(12), uint(4, 1000), uint(4, duration)]);
  const header = box("mvhd", time(0xffffffff), Buffer.alloc(16), matrix, Buffer.alloc(28));
  return box("moov", header, ...tracks.map((track, index) => trackBox(track, index + 1, time)), ...others);
}

function trackBox(options: TrackOptions, id: number, time: (duration: number) => Buffer): Buffer {
  const { handler = "vide", duration = 0xffffffff, samples = 0, edits, isTurned, codec = "avc1" } = options;
  const { coded = [320, 180], displayed = coded, aspect } = options;
  const sides = displayed.map((side) => uint(4, side * 65536));
  const enabled = uint(4, 3);
  const track = box(
    "tkhd",
    ...[enabled, Buffer.alloc(8), uint(4, id), Buffer.alloc(4), uint(4, 0xffffffff), Buffer.alloc(16)],
    ...[isTurned ? turned : matrix, ...sides],
  );
  const [width, height] = coded;
  const pixels = aspect ? box("pasp", uint(4, aspect[0]), uint(4, aspect[1])) : Buffer.alloc(0);
  const picture = Buffer.concat([Buffer.alloc(24), uint(2, width), uint(2, height), Buffer.alloc(50), pixels]);
  const entry = box(codec, handler === "vide" ? picture : Buffer.alloc(28));
  const table = box(
    "stbl",
    box("stsd", full, uint(4, 1), entry),
    box("stts", full, ...(samples > 0 ? [uint(4, 1), uint(4, samples), uint(4, 100)] : [uint(4, 0)])),
    box("stsc", full, uint(4, 0)),
    box("stsz", full, uint(4, 10), uint(4, samples)),
    box("stco", full, uint(4, 0)),
  );
  const list = edits?.map(([length, at]) => Buffer.concat([uint(4, length), uint(4, at), uint(4, 0x10000)])) ?? [];
  return box(
    "trak",
    track,
    ...(edits ? [box("edts", box("elst", full, uint(4, list.length), ...list))] : []),
    box("mdia", box("mdhd", time(duration), full), box("hdlr", full, full, handler, full), box("minf", table)),
  );
}

/** The box that makes a movie a fragmented one. */
export function fragmentDefaults(...boxes: readonly Buffer[]): Buffer {
  return box("mvex", ...boxes);
}

/** A fragment of samples of 100 ms of a track. */
export function fragment(id: number, samples: number, decodeTime: number | null): Buffer {
  const time = decodeTime === null ? [] : [box("tfdt", full, uint(4, decodeTime))];
  const header = box("tfhd", uint(4, 8), uint(4, id), uint(4, 100));
  return Buffer.concat([
    box("moof", box("traf", header, ...time, box("trun", full, uint(4, samples)))),
    box("mdat", Buffer.alloc(samples * 10)),
  ]);
}
