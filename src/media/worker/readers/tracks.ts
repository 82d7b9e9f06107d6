import {
  BufferSource,
  BufferTarget,
  EncodedPacketSink,
  EncodedVideoPacketSource,
  Input,
  type InputFormat,
  type InputVideoTrack,
  MATROSKA,
  MP3,
  MP4,
  MPEG_TS,
  ADTS,
  FLAC,
  MkvOutputFormat,
  OGG,
  Output,
  QTFF,
  WAVE,
  WEBM,
} from "mediabunny";
import { createDurationMs, createSize } from "../../../domain/size.ts";
import { hasAt } from "../../formats/bytes.ts";
import { clipSeconds } from "../../formats/clip.ts";
import { box } from "../../formats/isobmff.ts";
import { isJpeg } from "../../formats/jpeg-segments.ts";
import { findVideo, isobmffPlan } from "../../formats/mp4.ts";
import { isPng } from "../../formats/png.ts";
import { isUnbranded } from "../../formats/quicktime.ts";
import { type Clip, type Container, type Facts, maxClipBytes } from "../../protocol.ts";
import { guardResync } from "./resync-guard.ts";
import { type Reader, type Shown, UnreadableError, noSize } from "../reader.ts";

const known = [MP4, QTFF, MATROSKA, WEBM, OGG, MP3, ADTS, FLAC, WAVE, MPEG_TS];

const plannedFormats: ReadonlySet<InputFormat> = new Set<InputFormat>([MP3, MP4, QTFF]);

// Container overhead: a few bytes a packet, and the decoder's settings.
const maxPacketBytes = maxClipBytes - 256 * 1024;

/** Video and sound in tracks: MP4, QuickTime, Matroska, WebM, Ogg, MP3, ADTS, FLAC, WAVE and MPEG-TS. */
export const reader: Reader = {
  measure: (body, isWhole) => withInput(body, (input) => measure(input, isWhole)),
  show: (body) => withInput(body, showCover),
  cut: (body) => withInput(body, (input) => cut(input, body)).catch(() => cutMovie(body)),
};

async function withInput<T>(body: Uint8Array, use: (input: Input) => Promise<T>): Promise<T> {
  using input = new Input({ source: new BufferSource(withFileType(body)), formats: known });
  await guardResync(input);
  return await use(input);
}

const oldestFileType = box("ftyp", "qt  \0\0\0\0qt  ");

/** Prepends the file type box that old QuickTime files lack and the library requires. Sample offsets are wrong then. */
function withFileType(body: Uint8Array): Uint8Array {
  return isUnbranded(body) ? Buffer.concat([oldestFileType, body]) : body;
}

async function measure(input: Input, isWhole: boolean): Promise<Facts> {
  const tracks = await input.getTracks();
  if (tracks.length === 0) throw new UnreadableError("no tracks");
  const video = await input.getPrimaryVideoTrack();
  const width = Math.round((await video?.getDisplayWidth()) ?? 0);
  const height = Math.round((await video?.getDisplayHeight()) ?? 0);
  const facts = { ...(createSize(width, height) ?? noSize), animated: null };
  const durationMs = await measureDurationMs(input, isWhole).catch(() => null);
  return { ...facts, durationMs };
}

/** The duration of a file whose read plan does not know it. */
async function measureDurationMs(input: Input, isWhole: boolean): Promise<number | null> {
  // That of an MP3 is a guess of the library, and those of movies are all that the read plan reads too.
  const isDeclared = !plannedFormats.has(await input.getFormat());
  // The first bytes have no end, but perhaps a declared duration.
  const declared = isDeclared ? await input.getDurationFromMetadata() : null;
  const seconds =
    declared ?? (isWhole ? (await input.computeDuration()) - Math.max(0, await input.getFirstTimestamp()) : 0);
  return toMilliseconds(seconds);
}

/** Null where it lasts no time, as a stream that is still being made says. */
function toMilliseconds(seconds: number): number | null {
  const milliseconds = createDurationMs(seconds * 1000);
  return milliseconds === 0 ? null : milliseconds;
}

async function showCover(input: Input): Promise<Shown | null> {
  const { images = [] } = await input.getMetadataTags();
  const cover = images.find(({ kind }) => kind === "coverFront") ?? images[0];
  if (cover) return { picture: withoutDescription(cover.data) };
  const frame = await firstFrame(input);
  return frame && isJpeg(frame) ? { picture: frame } : null;
}

/** Cameras' old films are JPEGs one after the other. */
async function firstFrame(input: Input): Promise<Uint8Array | null> {
  const track = await input.getPrimaryVideoTrack();
  const packet = track && (await new EncodedPacketSink(track).getFirstPacket());
  return packet?.data ?? null;
}

// What stands before a picture in an ID3 frame: type, name and a sentence.
const longestDescription = 4096;

/** The library takes some of the frame's other fields for the picture where the frame says its length twice (ID3v2.4, 4.1.2). */
function withoutDescription(data: Uint8Array): Uint8Array {
  for (let at = 0; at < Math.min(longestDescription, data.length); at += 1) {
    if (isJpeg(data, at) || isPng(data, at)) return data.subarray(at);
  }
  return data;
}

/** Cuts the first bytes of a file, for containers that are streamable. */
export function beginning(body: Uint8Array, container: Container): Clip {
  return { bytes: body.slice(0, maxClipBytes), container, rotation: 0 };
}

/** ffmpeg reads from a pipe: it cannot go back to the media from a header behind them. In the excerpt it is first. */
function beginningOfMovie(body: Uint8Array): Clip {
  const { excerpt } = isobmffPlan.preview({ prefix: body, parts: [], length: body.length });
  return beginning(excerpt?.bytes ?? body, "mov");
}

/** The beginning of a movie that the library cannot read, but perhaps ffmpeg. Null if it has no video. */
function cutMovie(body: Uint8Array): Clip | null {
  const video = findVideo(body);
  return video && { ...beginningOfMovie(body), rotation: video.rotation };
}

async function cut(input: Input, body: Uint8Array): Promise<Clip | null> {
  const track = await input.getPrimaryVideoTrack();
  if (!track) return null;
  const rotation = await track.getRotation();
  const codec = await track.getCodec();
  if (!codec) {
    if (hasAt(body, 0, [0x1a, 0x45, 0xdf, 0xa3])) return { ...beginning(body, "matroska"), rotation };
    return { ...beginningOfMovie(body), rotation };
  }
  const target = new BufferTarget();
  const output = new Output({ format: new MkvOutputFormat(), target });
  const source = new EncodedVideoPacketSource(codec);
  output.addVideoTrack(source);
  await output.start();
  await copyBeginning(track, source);
  await output.finalize();
  const bytes = new Uint8Array(target.buffer ?? new ArrayBuffer());
  return bytes.length > 0 && bytes.length <= maxClipBytes ? { bytes, container: "matroska", rotation } : null;
}

async function copyBeginning(track: InputVideoTrack, source: EncodedVideoPacketSource): Promise<void> {
  const decoderConfig = await track.getDecoderConfig();
  let bytes = 0;
  let end = Infinity;
  for await (const packet of new EncodedPacketSink(track).packets()) {
    if (end === Infinity) end = packet.timestamp + clipSeconds;
    bytes += packet.byteLength;
    if (packet.timestamp > end || bytes > maxPacketBytes) break;
    await source.add(packet, decoderConfig ? { decoderConfig } : undefined);
  }
}
