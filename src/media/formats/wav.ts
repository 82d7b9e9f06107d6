import { createDurationMs } from "../raster.ts";
import { all, any, at, createWorkBudget, hasAt, readUint16LE, readUint32LE } from "./bytes.ts";
import type { Row } from "./format.ts";
import type { FactsStep, PreviewStep, ReceivedFile } from "./plan.ts";
import {
  durationFact,
  foundPreview,
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

// PCM, floats, A-law, mu-law; and the format of the extensible header, which is one of them (RFC 2361).
const formats = [1, 3, 6, 7];
const extensible = 0xfffe;
// Chunks of texts are shorter than a picture, and not worth a request of their own.
const minCoverBytes = 1024;
const maxCoverBytes = 8 * 1024 ** 2;

/** The facts in the chunks up to the samples. */
interface Wave {
  /** Bytes of all channels at one moment, and such moments a second. */
  readonly blockBytes: number;
  readonly rate: number;
  /** Offset of the first sample, and declared length of the samples and of the file. */
  readonly dataAt: number;
  readonly dataBytes: number;
  readonly fileBytes: number;
}

/** Reads the chunks up to `data`; `missing` and where, or null if these are not the samples of a known format. */
function readWave(prefix: Uint8Array): Wave | { readonly missing: number } | null {
  const isLong = hasAt(prefix, 0, "RF64"); // EBU Tech 3306: the lengths stand in `ds64`
  let [fileBytes, longDataBytes] = [isLong ? Infinity : readUint32LE(prefix, 4) + 8, 0];
  let [blockBytes, rate] = [0, 0];
  const work = createWorkBudget();
  for (let at = formHeaderBytes; work.step();) {
    if (at + chunkHeaderBytes > prefix.length) return { missing: at + chunkHeaderBytes };
    const { type, start, end, next } = readRiffChunk(prefix, at);
    if (type === "data") {
      const dataBytes = isLong ? longDataBytes : end - start;
      return blockBytes > 0 && rate > 0 ? { blockBytes, rate, dataAt: start, dataBytes, fileBytes } : null;
    }
    if (next > prefix.length && (type === "fmt " || type === "ds64")) return { missing: next };
    if (type === "fmt ") {
      const format = readUint16LE(prefix, start);
      const known = format === extensible ? readUint16LE(prefix, start + 24) : format;
      if (!formats.includes(known)) return null;
      [rate, blockBytes] = [readUint32LE(prefix, start + 4), readUint16LE(prefix, start + 12)];
    }
    if (type === "ds64") {
      fileBytes = readLong(prefix, start) + 8;
      longDataBytes = readLong(prefix, start + 8);
    }
    at = next;
  }
  return null;
}

function readLong(bytes: Uint8Array, at: number): number {
  return readUint32LE(bytes, at + 4) * 2 ** 32 + readUint32LE(bytes, at);
}

/** The samples may be cut, or of unknown length while they are written: the length of the file bounds them. */
function planFacts(file: ReceivedFile): FactsStep {
  const wave = readWave(file.prefix);
  if (!wave) return noFacts();
  if ("missing" in wave) return noFacts(needMore(file, wave.missing));
  if (file.length === null) return wholeFacts(file);
  const bytes = Math.min(wave.dataBytes, Math.min(wave.fileBytes, file.length) - wave.dataAt);
  const seconds = Math.floor(Math.max(0, bytes) / wave.blockBytes) / wave.rate;
  return knownFacts(durationFact(seconds > 0 ? createDurationMs(seconds * 1000) : null));
}

/** A cover is in an ID3 chunk, mostly behind the samples: an excerpt of the chunks before and behind them. */
function planPreview(file: ReceivedFile): PreviewStep {
  const wave = readWave(file.prefix);
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
