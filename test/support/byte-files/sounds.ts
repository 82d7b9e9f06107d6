import { adtsFrames, latin1, mp3Frames } from "../heads.ts";
import * as streams from "../stream-heads.ts";
import { aifcFile, chunk, uintLE, wavFile } from "../track-bytes.ts";
import { uint } from "../worst-cases.ts";
import { concat, far, full, id3, riff } from "./parts.ts";

// Ogg (RFC 3533)

const page = streams.oggPage;
const { vorbis: vorbisHead, opus: opusHead, speex: speexHead, flac: flacHead } = streams.oggHeads;
const theoraHead = concat([
  latin1("\x80theora\x03\x02\x01\0\x14\0\x0c"),
  uint(3, 320),
  uint(3, 180),
  Buffer.alloc(2),
  uint(4, 25),
  uint(4, 1),
  uint(3, 4),
  uint(3, 3),
  Buffer.alloc(4),
  uint(2, 6 << 5),
]);
const squareTheora = Buffer.from(theoraHead);
squareTheora.fill(0, 33, 36); // no height of a pixel: its aspect is unknown
const comment = (name: string, text = "") => concat([latin1(name), latin1(text)]);
const coverComment = `METADATA_BLOCK_PICTURE=${"A".repeat(300)}`;
const packet = Buffer.alloc(30, 0x78);
const oggs = {
  "an Ogg song in Vorbis": concat([
    page(2, 7, 0, vorbisHead),
    page(0, 7, 0, comment("\x03vorbis"), comment("\x05vorbis")),
    page(0, 7, 1024, packet, packet),
    page(0, 7, 44_100, packet),
    page(4, 7, 88_200, packet),
  ]),
  "an Ogg song in Vorbis with a cover": concat([
    page(2, 7, 0, vorbisHead),
    page(0, 7, 0, comment("\x03vorbis", coverComment), comment("\x05vorbis")),
    page(0, 7, 1024, packet),
    page(4, 7, 88_200, packet),
  ]),
  "an Ogg song in Opus": concat([
    page(2, 1, 0, opusHead),
    page(0, 1, 0, comment("OpusTags")),
    page(0, 1, 1920, packet, packet),
    page(4, 1, 96_312, packet),
  ]),
  "an Ogg song in Opus that began earlier": concat([
    page(2, 1, 0, opusHead),
    page(0, 1, 0, comment("OpusTags")),
    page(0, 1, 481_920, packet, packet),
    page(4, 1, 577_920, packet),
  ]),
  "an Ogg song in Vorbis that began earlier": concat([
    page(2, 7, 0, vorbisHead),
    page(0, 7, 0, comment("\x03vorbis"), comment("\x05vorbis")),
    page(0, 7, 441_000, packet),
    page(4, 7, 882_000, packet),
  ]),
  "an Ogg message in Speex": concat([
    page(2, 1, 0, speexHead),
    page(0, 1, 0, comment("tags")),
    page(0, 1, -1, packet),
    page(4, 1, 32_000, packet),
  ]),
  "an Ogg song in FLAC": concat([page(2, 1, 0, flacHead), page(0, 1, 0, comment("tags")), page(4, 1, 44_100, packet)]),
  "an Ogg film": concat([
    page(2, 1, 0, theoraHead),
    page(2, 2, 0, vorbisHead),
    page(0, 1, 0, comment("\x81theora")),
    page(0, 2, 0, comment("\x03vorbis"), comment("\x05vorbis")),
    page(0, 1, 64, packet),
    page(0, 2, 1024, packet),
    page(0, 1, 64 + 50, packet),
    page(0, 1, 3 * 64 + 60, packet),
    page(4, 2, 88_200, packet),
    page(4, 1, 4 * 64 + 3, packet),
  ]),
  "an Ogg film of square pixels": concat([
    page(2, 1, 0, squareTheora),
    page(0, 1, 0, comment("\x81theora")),
    page(0, 1, 64, packet),
    page(4, 1, 64 + 50, packet),
  ]),
  "an Ogg file of two songs": concat([
    page(2, 1, 0, opusHead),
    page(0, 1, 0, comment("OpusTags")),
    page(4, 1, 960, packet),
    page(2, 2, 0, opusHead),
    page(0, 2, 0, comment("OpusTags")),
    page(4, 2, 960, packet),
  ]),
};

// Other sounds

const flacBlock = (type: number, content: Buffer, isLast = false) =>
  concat([Buffer.from([(isLast ? 128 : 0) | type]), uint(3, content.length), content]);
const frames = (one: Buffer, count: number) => concat(Array.from({ length: count }, () => one));
const xing = (mark: string, at: number, countAt: number) => {
  const file = frames(mp3Frames(), 4);
  file.write(mark, at, "latin1");
  file.writeUInt32BE(1, at + 4);
  file.writeUInt32BE(10_000, at + countAt);
  return file;
};
const changingMp3 = () => {
  const other = Buffer.alloc(522);
  other.set([0xff, 0xfb, 0xa0, 0]);
  return frames(concat([mp3Frames(), other]), 80);
};
/** The common chunk of AIFF: samples of 16 bits in one channel, at 16 kHz. */
const common = (samples: number) =>
  concat([
    latin1("COMM"),
    uint(4, 18),
    uint(2, 1),
    uint(4, samples),
    uint(2, 16),
    Buffer.from([0x40, 0x0c, 0xfa, 0, 0, 0, 0, 0, 0, 0]),
  ]);
/** The format chunk of WAV: samples of 8 bits in one channel, at 8 kHz. */
const pcmFormat = chunk(
  "fmt ",
  concat([uintLE(2, 1), uintLE(2, 1), uintLE(4, 8000), uintLE(4, 8000), uintLE(2, 1), uintLE(2, 8)]),
);
const sounds = {
  "a FLAC": concat([
    latin1("fLaC"),
    flacBlock(0, streams.flacStreamInfo(88_200)),
    flacBlock(1, Buffer.alloc(20), true),
    Buffer.alloc(100),
  ]),
  "a FLAC with covers": concat([
    latin1("fLaC"),
    flacBlock(0, streams.flacStreamInfo(88_200)),
    flacBlock(4, latin1("tags")),
    flacBlock(6, concat([uint(4, 4), Buffer.alloc(50)])),
    flacBlock(6, concat([uint(4, 3), Buffer.alloc(60)])),
    flacBlock(1, Buffer.alloc(20), true),
    Buffer.alloc(100),
  ]),
  "a FLAC with a cover in its comment": concat([
    latin1("fLaC"),
    flacBlock(0, streams.flacStreamInfo(0)),
    flacBlock(4, latin1(coverComment), true),
    Buffer.alloc(100),
  ]),
  "a FLAC behind a tag": concat([
    id3(60, "APIC"),
    latin1("fLaC"),
    flacBlock(0, streams.flacStreamInfo(44_100), true),
    Buffer.alloc(100),
  ]),
  "an MP3": frames(mp3Frames(), 10),
  "an MP3 of 100 kB": frames(mp3Frames(), 120),
  "an MP3 of 100 kB behind a tag with a cover": concat([id3(300, "APIC"), id3(9), frames(mp3Frames(), 120)]),
  "an MP3 with a variable bitrate": changingMp3(),
  "an MP3 with a count of LAME": xing("Info", 36, 8),
  "an MP3 with a count of Fraunhofer": xing("VBRI", 36, 14),
  "an ADTS stream": frames(adtsFrames(), 20),
  "a WAV": streams.wave("RIFF", 4000, 4000, 4000),
  "a WAV of 64 bits": streams.wave("RF64", 4000, 4000, 4000),
  "a WAV in ADPCM": wavFile({
    format: 0x11,
    rate: 8000,
    bytesPerSecond: 4055,
    blockBytes: 256,
    blockSamples: 505,
    factSamples: 3000,
    dataBytes: 2048,
  }),
  "an AIFC": aifcFile("ima4", 20, 16, 20 * 34, 2),
  "an AIFF whose common chunk is last": concat([
    latin1("FORM\0\0\0\0AIFF"),
    latin1("SSND"),
    uint(4, 108),
    Buffer.alloc(108),
    common(50),
  ]),
  "an AIFF of a recording": concat([
    latin1("FORM\0\0\0\0AIFFCOMM"),
    uint(4, 18),
    uint(2, 2),
    full,
    uint(2, 24),
    Buffer.from([0x40, 0x0b, 0xfa, 0, 0, 0, 0, 0, 0, 0]),
    latin1("SSND"),
    full,
    Buffer.alloc(608),
  ]),
  "an AIFF with a name of an odd length": concat([
    latin1("FORM\0\0\0\0AIFFNAME"),
    uint(4, 3),
    Buffer.alloc(4),
    common(400),
    latin1("SSND"),
    uint(4, 808),
    Buffer.alloc(808),
  ]),
  "a WAV with a cover": riff(
    "WAVE",
    pcmFormat,
    chunk("data", Buffer.alloc(801)),
    chunk("LIST", Buffer.alloc(20)),
    chunk("id3 ", id3(1200, "APIC")),
  ),
  "an extensible WAV": riff(
    "WAVE",
    chunk(
      "fmt ",
      concat([
        uintLE(2, 0xfffe),
        uintLE(2, 2),
        uintLE(4, 8000),
        uintLE(4, 48_000),
        uintLE(2, 6),
        uintLE(2, 24),
        uintLE(2, 22),
        uintLE(2, 24),
        uintLE(4, 3),
        uintLE(2, 1),
        Buffer.alloc(14),
      ]),
    ),
    chunk("JUNK", Buffer.alloc(7)),
    chunk("data", Buffer.alloc(600)),
  ),
  "an empty WAV": riff("WAVE", pcmFormat, chunk("data", Buffer.alloc(0)), chunk("LIST", Buffer.alloc(20))),
  "an AMR": concat([latin1("#!AMR\n"), Buffer.alloc(64, "\x3c")]),
  "a CAF of packets": concat([
    streams.cafStart("opus", 48_000, { bytes: 0, frames: 960 }),
    streams.cafChunk("data", Buffer.alloc(200)),
    streams.cafPacketTable(5, 4000),
  ]),
  "a CAF": concat([
    streams.cafStart("lpcm", 8000, { bytes: 4, frames: 1 }),
    streams.cafChunk("free", Buffer.alloc(5)),
    streams.cafChunk("data", Buffer.alloc(404)),
  ]),
  "an AU": concat([streams.auHeader(800), Buffer.alloc(800)]),
  "a WavPack": streams.wavpackBlock(66_150),
  "Monkey's Audio": streams.monkeysAudio(3, 36_864),
  "Monkey's Audio 3.95": streams.oldMonkeysAudio(3950, 2000, 2, 0),
  "Musepack 7": streams.musepack7(100, 300),
  "Musepack 8": streams.musepack8(96_000, 100),
  "True Audio": streams.trueAudio(66_150),
  "an AC-3": streams.ac3Frames(3),
  "an E-AC-3": streams.eac3Frames(3),
};

const longSounds = {
  "a long Ogg song": concat([
    page(2, 1, 0, opusHead),
    page(0, 1, 0, comment("OpusTags")),
    ...Array.from({ length: 1600 }, (_, index) => page(0, 1, 960 * (index + 1), Buffer.alloc(200, 0x78))),
  ]),
  "a long WAV with a cover": riff("WAVE", pcmFormat, chunk("data", far), chunk("id3 ", id3(1200, "APIC"))),
  "a long AIFF whose common chunk is last": concat([
    latin1("FORM\0\0\0\0AIFF"),
    latin1("SSND"),
    uint(4, far.length),
    far,
    common(50),
  ]),
  "a long CAF whose packet table is last": concat([
    streams.cafStart("opus", 48_000, { bytes: 0, frames: 960 }),
    streams.cafChunk("data", far),
    streams.cafPacketTable(5, 0),
  ]),
  "a long FLAC behind two tags": concat([
    id3(9),
    id3(16_000),
    latin1("fLaC"),
    flacBlock(0, streams.flacStreamInfo(44_100)),
    flacBlock(6, concat([uint(4, 3), far]), true),
  ]),
};

export const soundFiles = { ...oggs, ...sounds, ...longSounds };
