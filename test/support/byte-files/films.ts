import { latin1 } from "../heads.ts";
import * as streams from "../stream-heads.ts";
import { chunk } from "../track-bytes.ts";
import { uint } from "../worst-cases.ts";
import { concat, far, riff } from "./parts.ts";

// Matroska (RFC 9559)

const element = (id: number, ...contents: readonly Buffer[]) => {
  const content = concat(contents);
  const bytes = id > 0xffffff ? 4 : id > 0xffff ? 3 : id > 0xff ? 2 : 1;
  const size = content.length < 127 ? Buffer.from([0x80 | content.length]) : uint(2, 0x4000 + content.length);
  return concat([uint(bytes, id), size, content]);
};
const unsized = (id: number, ...contents: readonly Buffer[]) =>
  concat([uint(4, id), Buffer.from([0x01, 255, 255, 255, 255, 255, 255, 255]), ...contents]);
const ebml = (docType: string) =>
  element(0x1a45dfa3, element(0x4286, Buffer.from([1])), element(0x4282, latin1(docType)));
const track = (number: number, type: number, nanoseconds?: number) =>
  element(
    0xae,
    element(0xd7, Buffer.from([number])),
    element(0x83, Buffer.from([type])),
    ...(nanoseconds === undefined ? [] : [element(0x23e383, uint(4, nanoseconds))]),
  );
const tracks = element(0x1654ae6b, track(1, 1, 40_000_000), track(2, 2));
const float = (value: number) => {
  const buffer = Buffer.alloc(8);
  buffer.writeDoubleBE(value);
  return buffer;
};
const info = (duration?: number, scale?: number) =>
  element(
    0x1549a966,
    ...(scale === undefined ? [] : [element(0x2ad7b1, uint(4, scale))]),
    ...(duration === undefined ? [] : [element(0x4489, float(duration))]),
  );
const block = (number: number, time: number, bytes = 30) =>
  element(0xa3, Buffer.from([0x80 | number]), uint(2, time), Buffer.from([0x80]), Buffer.alloc(bytes, 3));
const group = (number: number, time: number, units: number) =>
  element(
    0xa0,
    element(0xa1, Buffer.from([0x80 | number]), uint(2, time), Buffer.alloc(1), Buffer.alloc(20, 4)),
    element(0x9b, uint(2, units)),
  );
const cluster = (time: number, ...blocks: readonly Buffer[]) =>
  element(0x1f43b675, element(0xe7, uint(2, time)), ...blocks);
const openCluster = (time: number, ...blocks: readonly Buffer[]) =>
  unsized(0x1f43b675, element(0xe7, uint(2, time)), ...blocks);
const attachments = element(
  0x1941a469,
  element(0x61a7, element(0x466e, latin1("cover.png")), element(0x465c, Buffer.alloc(40, 8))),
);
const clusters = [0, 1, 2, 3].map((second) =>
  cluster(1000 * second, block(1, 0), block(2, 10), block(1, 500), group(2, 600, 20)),
);
const matroskas = {
  "a WebM": concat([ebml("webm"), unsized(0x18538067, info(4000), tracks, ...clusters)]),
  "a WebM without a duration": concat([ebml("webm"), unsized(0x18538067, info(), tracks, ...clusters)]),
  "a WebM without lengths of its clusters": concat([
    ebml("webm"),
    unsized(
      0x18538067,
      info(undefined, 500_000),
      tracks,
      openCluster(0, block(1, 0), block(2, 5)),
      openCluster(3000, block(1, 0), block(2, 20), element(0xec, Buffer.alloc(9))),
      element(0x1c53bb6b, Buffer.alloc(20)),
    ),
  ]),
  "a WebM whose last cluster has no video": concat([
    ebml("webm"),
    unsized(0x18538067, info(), tracks, ...clusters, cluster(4000, block(2, 0), block(2, 20))),
  ]),
  "a WebM of one cluster": concat([ebml("webm"), unsized(0x18538067, info(), tracks, clusters[2]!)]),
  "a WebM of speech": concat([
    ebml("webm"),
    unsized(
      0x18538067,
      element(0x1654ae6b, track(1, 2)),
      cluster(0, block(1, 0)),
      cluster(4000, block(1, 0), group(1, 100, 30)),
    ),
  ]),
  "a Matroska film with a cover": concat([
    ebml("matroska"),
    element(0x18538067, info(4000), tracks, attachments, ...clusters),
  ]),
  "a Matroska song with a cover": concat([
    ebml("matroska"),
    element(0x18538067, info(4000), element(0x1654ae6b, track(1, 2)), attachments, cluster(0, block(1, 0))),
  ]),
  "a Matroska song with a cover at its end": concat([
    ebml("matroska"),
    element(
      0x18538067,
      element(0x114d9b74, element(0x4dbb, element(0x53ab, uint(4, 0x1941a469)))),
      info(4000),
      element(0x1654ae6b, track(1, 2)),
      cluster(0, block(1, 0)),
      attachments,
    ),
  ]),
};

// Other films

const avi = (frames: number, microseconds: number) => {
  const header = Buffer.alloc(56);
  [microseconds, 0, 0, 0x10, frames, 0, 1, 0, 320, 180].forEach((value, index) =>
    header.writeUInt32LE(value, 4 * index),
  );
  return riff("AVI ", chunk("LIST", concat([latin1("hdrl"), chunk("avih", header)])), chunk("LIST", latin1("movi")));
};
const films = {
  "a program stream of MPEG-2, 16 to 9": streams.programStream(streams.mpeg2Pack, 3, true, 300),
  "a program stream of MPEG-2, 2.21 to 1": streams.programStream(streams.mpeg2Pack, 4, true, 300),
  "a program stream of MPEG-1": streams.programStream(streams.mpeg1Pack, 3, false, 300),
  "an MPEG video": streams.sequenceHeader(96, 64, 2, true),
  "an AVI": avi(50, 40_000),
  "Windows Media": streams.asfHeader(
    streams.asfFile(1500, 3000),
    streams.asfStream("audio"),
    streams.asfStream("video", 320, 180),
  ),
  "Flash video with metadata": concat([
    streams.flvHeader,
    streams.flvTag(18, streams.onMetaData({ duration: 2.5, width: 320, height: 180 })),
    streams.flvTag(9, Buffer.alloc(99)),
  ]),
  "Windows Media of sound": streams.asfHeader(
    streams.asfObject("00".repeat(16), Buffer.alloc(30)),
    streams.asfStream("audio"),
    streams.asfFile(2500),
  ),
  "Flash video": concat([
    streams.flvHeader,
    streams.flvTag(9, Buffer.alloc(99)),
    streams.flvTag(9, Buffer.alloc(99), 5000),
  ]),
};

const longFilms = {
  "a long transport stream": streams.tsPackets(2000),
  "a long WebM without a duration": concat([
    ebml("webm"),
    unsized(
      0x18538067,
      info(),
      tracks,
      ...clusters,
      element(0xec, far.subarray(0, 16_000)),
      ...Array.from({ length: 40 }, (_, index) => cluster(4000 + 1000 * index, block(1, 0, 10_000), block(2, 10))),
    ),
  ]),
  "a long MPEG video": concat([
    streams.mpeg2Pack,
    Buffer.alloc(60_000, 1),
    streams.sequenceHeader(720, 576, 2, true),
    far,
  ]),
};

export const filmFiles = { ...matroskas, ...films, ...longFilms };
