import { createDurationMs } from "../raster.ts";
import { all, any, at, createWorkBudget, hasAt, readText, readUint16LE, readUint32LE } from "./bytes.ts";
import type { Row } from "./format.ts";
import type { FactsStep, PreviewStep, ReceivedFile } from "./plan.ts";
import {
  durationFact,
  foundPreview,
  isWhole,
  knownFacts,
  needMore,
  needRange,
  noFacts,
  noPreview,
  readRange,
  wholeFacts,
} from "./received.ts";
import { chunkHeaderBytes, formHeaderBytes, readRiffChunk, riff } from "./riff.ts";
import { audio } from "./tracks.ts";

// PCM, floats, A-law, mu-law: a block is one moment; and the format of the extensible header (RFC 2361).
const sampleFormats = [1, 3, 6, 7];
const extensible = 0xfffe;
// Chunks of texts are shorter than a picture, and not worth a request of their own.
const minCoverBytes = 1024;
// Chunks behind the samples, of which an empty file has none.
const trailers = ["LIST", "id3 ", "ID3 "];
const allOnes = 0xffffffff;
// The mean of a variable bitrate is rounded, and the last block may be padded.
const plausibleShare = 0.1;
const maxCoverBytes = 8 * 1024 ** 2;

/** The format chunk. */
interface WaveFormat {
  /** Bytes of all channels at one moment, or of a compressed block; and samples of each channel in it, 0 if unknown. */
  readonly blockBytes: number;
  readonly blockSamples: number;
  /** Moments a second, and mean bytes. */
  readonly rate: number;
  readonly bytesPerSecond: number;
}

/** The facts in the chunks up to the samples. */
interface Wave extends WaveFormat {
  /** Samples of each channel, from the `fact` chunk; 0 if unknown. */
  readonly factSamples: number;
  /** Offset of the first sample; declared length of the samples and of the file, Infinity if they go on to its end. */
  readonly dataAt: number;
  readonly dataBytes: number;
  readonly fileBytes: number;
}

function readFormat(bytes: Uint8Array, at: number, end: number): WaveFormat {
  const format = readUint16LE(bytes, at);
  const known = format === extensible ? readUint16LE(bytes, at + 24) : format;
  const isExtended = end - at >= 20 && format !== extensible; // ADPCM and GSM 6.10 (Microsoft, New Multimedia Data Types)
  return {
    blockBytes: readUint16LE(bytes, at + 12),
    blockSamples: sampleFormats.includes(known) ? 1 : isExtended ? readUint16LE(bytes, at + 18) : 0,
    rate: readUint32LE(bytes, at + 4),
    bytesPerSecond: readUint32LE(bytes, at + 8),
  };
}

/** A length of 32 bits: 0 and all ones stand in the files of encoders that write to a pipe, or were interrupted. */
function readLength(bytes: Uint8Array, at: number): number {
  const length = readUint32LE(bytes, at);
  return length === 0 || length === allOnes ? Infinity : length;
}

/** Reads the chunks up to `data`; `missing` and where, or null if there are no samples of a known format. */
function readWave(file: ReceivedFile): Wave | { readonly missing: number } | null {
  const { prefix } = file;
  const isLong = hasAt(prefix, 0, "RF64"); // EBU Tech 3306: the lengths stand in `ds64`
  let [fileBytes, longDataBytes] = [isLong ? Infinity : readLength(prefix, 4) + 8, Infinity];
  let format: WaveFormat | null = null;
  let factSamples = 0;
  const work = createWorkBudget();
  for (let at = formHeaderBytes; work.step();) {
    if (at + chunkHeaderBytes > prefix.length) return { missing: at + chunkHeaderBytes };
    const { type, start, end, next } = readRiffChunk(prefix, at);
    if (type === "data") {
      if (!format || format.rate === 0) return null;
      // A chunk behind it shows that the file is empty; else it is still being written.
      if (end === start && start + 4 > prefix.length && !isWhole(file)) return { missing: start + 4 };
      const isEmpty = end === start && trailers.includes(readText(prefix, start, 4));
      const dataBytes = isEmpty ? 0 : isLong ? longDataBytes : readLength(prefix, start - 4);
      return { ...format, factSamples, dataAt: start, dataBytes, fileBytes };
    }
    if (next > prefix.length && ["fmt ", "ds64", "fact"].includes(type)) return { missing: next };
    if (type === "fmt ") format = readFormat(prefix, start, end);
    if (type === "fact") factSamples = readUint32LE(prefix, start) % allOnes;
    if (type === "ds64") {
      fileBytes = (readLong(prefix, start) || Infinity) + 8;
      longDataBytes = readLong(prefix, start + 8) || Infinity;
    }
    at = next;
  }
  return null;
}

/**
 * The duration of so many bytes of samples. Compressed ones are counted in the `fact` chunk, or by blocks, if that fits
 * the mean bytes a second.
 */
function secondsOf({ blockBytes, blockSamples, rate, bytesPerSecond, factSamples }: Wave, bytes: number): number {
  const byBlocks = blockBytes > 0 ? (Math.floor(bytes / blockBytes) * blockSamples) / rate : 0;
  if (blockSamples === 1) return byBlocks;
  const byMean = bytesPerSecond > 0 ? bytes / bytesPerSecond : 0;
  const isPlausible = (seconds: number) =>
    seconds > 0 && (byMean === 0 || Math.abs(seconds - byMean) <= plausibleShare * byMean + blockSamples / rate);
  return [factSamples / rate, byBlocks].find(isPlausible) ?? byMean;
}

function readLong(bytes: Uint8Array, at: number): number {
  return readUint32LE(bytes, at + 4) * 2 ** 32 + readUint32LE(bytes, at);
}

/** The samples may be cut, or of unknown length while they are written: the length of the file bounds them. */
function planFacts(file: ReceivedFile): FactsStep {
  const wave = readWave(file);
  if (!wave) return noFacts();
  if ("missing" in wave) return noFacts(needMore(file, wave.missing));
  if (file.length === null) return wholeFacts(file);
  const isOpen = wave.dataBytes === Infinity;
  const end = isOpen ? file.length : Math.min(wave.fileBytes, file.length, wave.dataAt + wave.dataBytes);
  const seconds = secondsOf(wave, Math.max(0, end - wave.dataAt));
  return knownFacts(durationFact(seconds > 0 ? createDurationMs(seconds * 1000) : null));
}

/** A cover is in an ID3 chunk, mostly behind the samples: an excerpt of the chunks before and behind them. */
function planPreview(file: ReceivedFile): PreviewStep {
  const wave = readWave(file);
  if (!wave) return noPreview();
  if ("missing" in wave) return noPreview(needMore(file, wave.missing));
  const { length, prefix } = file;
  const head = Buffer.from(prefix.subarray(0, wave.dataAt));
  const from = wave.dataAt + wave.dataBytes + (wave.dataBytes % 2);
  const hasTail = length !== null && length - from >= minCoverBytes && length - from <= maxCoverBytes;
  const tail = hasTail ? readRange(file, from, length) : new Uint8Array();
  if (!tail) return noPreview(needRange(file, from, length ?? 0));
  const bytes = Buffer.concat([head, tail]);
  if (!["id3 ", "ID3 "].some((name) => bytes.includes(name))) return noPreview();
  bytes.write("RIFF", 0, "latin1");
  bytes.writeUInt32LE(bytes.length - 8, 4);
  bytes.writeUInt32LE(0, wave.dataAt - 4);
  return foundPreview(bytes);
}

export const wav = {
  type: "audio/wav",
  kind: "audio",
  matches: any(riff("WAVE"), all(at(0, "RF64"), at(8, "WAVE"))), // RFC 2361; EBU Tech 3306 for RF64
  aliases: ["audio/x-wav", "audio/wave", "audio/vnd.wave", "audio/x-pn-wav"],
  plan: { facts: planFacts, preview: planPreview },
  decoding: audio,
} as const satisfies Row;
