// The first bytes of audio and video files, and parts of them, made from their specifications.

function bytes(length: number, write: (buffer: Buffer) => void): Buffer {
  const buffer = Buffer.alloc(length);
  write(buffer);
  return buffer;
}

/** Packets of MPEG-TS without content; the distance is 192 with time codes (M2TS). */
export function tsPackets(count: number, distance: 188 | 192 = 188): Buffer {
  const packet = Buffer.alloc(distance);
  packet.set([0x47, 0x1f, 0xff, 0x10], distance - 188);
  return Buffer.alloc(count * distance, packet);
}

/** A sequence header of MPEG video, of 25 frames a second; MPEG-2 has an extension behind it. */
export function sequenceHeader(width: number, height: number, aspect: number, isMpeg2: boolean): Buffer {
  const start = Buffer.from([0, 0, 1, 0xb3, width >> 4, ((width & 15) << 4) | (height >> 8), height & 255]);
  const rest = Buffer.from([(aspect << 4) | 3, 0xff, 0xff, 0xe0, 0x18]);
  const extension = Buffer.from(isMpeg2 ? [0, 0, 1, 0xb5, 0x14, 0x8a, 0, 1, 0, 0] : []);
  return Buffer.concat([start, rest, extension, Buffer.from([0, 0, 1, 0xb8]), Buffer.alloc(200, 0x55)]);
}

export const mpeg2Pack = Buffer.from([0, 0, 1, 0xba, 0x44, 0, 4, 0, 4, 1, 0, 3, 0xff, 0xf8]);
export const mpeg1Pack = Buffer.from([0, 0, 1, 0xba, 0x21, 0, 1, 0, 1, 0x80, 0, 1]);

export const guids = {
  header: "3026b2758e66cf11a6d900aa0062ce6c",
  file: "a1dcab8c47a9cf118ee400c00c205365",
  stream: "9107dcb7b7a9cf118ee600c00c205365",
  audio: "409e69f84d5bcf11a8fd00805f5c442b",
  video: "c0ef19bc4d5bcf11a8fd00805f5c442b",
};

/** An object of ASF. */
export function asfObject(guid: string, content: Buffer): Buffer {
  const length = bytes(8, (buffer) => buffer.writeBigUInt64LE(BigInt(24 + content.length)));
  return Buffer.concat([Buffer.from(guid, "hex"), length, content]);
}

/** The stream properties of ASF; of a video with its size. */
export function asfStream(kind: "audio" | "video", width = 0, height = 0): Buffer {
  const format = bytes(51, (buffer) => {
    buffer.writeUInt32LE(width, 0);
    buffer.writeUInt32LE(height, 4);
  });
  return asfObject(guids.stream, Buffer.concat([Buffer.from(guids[kind], "hex"), Buffer.alloc(38), format]));
}

/** The file properties of ASF: the duration includes the preroll. */
export function asfFile(durationMs: number, prerollMs = 0): Buffer {
  const content = bytes(80, (buffer) => {
    buffer.writeBigUInt64LE(BigInt(durationMs + prerollMs) * 10_000n, 40);
    buffer.writeBigUInt64LE(BigInt(prerollMs), 56);
  });
  return asfObject(guids.file, content);
}

export function asfHeader(...objects: readonly Buffer[]): Buffer {
  const count = bytes(6, (buffer) => {
    buffer.writeUInt32LE(objects.length);
    buffer.set([1, 2], 4);
  });
  return asfObject(guids.header, Buffer.concat([count, ...objects]));
}

/** A program stream of MPEG with the sequence header of a video behind its pack and other bytes. */
export function programStream(pack: Buffer, aspect: number, isMpeg2: boolean, otherBytes = 20_000): Buffer {
  return Buffer.concat([pack, Buffer.alloc(otherBytes, 1), sequenceHeader(720, 576, aspect, isMpeg2)]);
}

/** A chunk of CAF; the length is `bytes` if it is not that of the content. */
export function cafChunk(type: string, content: Buffer, length = content.length): Buffer {
  const header = bytes(12, (buffer) => {
    buffer.write(type, "latin1");
    buffer.writeBigInt64BE(BigInt(length), 4);
  });
  return Buffer.concat([header, content]);
}

/** The chunk of CAF that counts packets and frames. */
export function cafPacketTable(packets: number, frames: number): Buffer {
  const table = bytes(24, (buffer) => {
    buffer.writeBigInt64BE(BigInt(packets));
    buffer.writeBigInt64BE(BigInt(frames), 8);
  });
  return cafChunk("pakt", table);
}

/** The beginning of CAF: the audio description. Zeros: the packets have other lengths each. */
export function cafStart(
  format: string,
  rate: number,
  packet: { readonly bytes: number; readonly frames: number },
): Buffer {
  const description = bytes(32, (buffer) => {
    buffer.writeDoubleBE(rate);
    buffer.write(format, 8, "latin1");
    buffer.writeUInt32BE(packet.bytes, 16);
    buffer.writeUInt32BE(packet.frames, 20);
    buffer.writeUInt32BE(1, 24);
  });
  return Buffer.concat([Buffer.from("caff\0\x01\0\0", "latin1"), cafChunk("desc", description)]);
}

/** The header of AU: 16-bit samples in two channels. */
export function auHeader(dataBytes: number, encoding = 3): Buffer {
  return bytes(28, (buffer) => {
    buffer.write(".snd", "latin1");
    [28, dataBytes, encoding, 8000, 2].forEach((value, index) => buffer.writeUInt32BE(value, 4 + 4 * index));
  });
}

/**
 * A WAV of 8-bit samples at 8 kHz, with its lengths as declared: RF64 has them in 64 bits (EBU Tech 3306).
 *
 * @param formSamples the samples that the length of the form covers; null for a length of 0
 */
export function wave(form: "RIFF" | "RF64", formSamples: number | null, dataBytes: number, samples: number): Buffer {
  const format = Buffer.from("fmt \x10\0\0\0\x01\0\x01\0\x40\x1f\0\0\x40\x1f\0\0\x01\0\x08\0", "latin1");
  const isLong = form === "RF64";
  const long = Buffer.alloc(isLong ? 36 : 0);
  const formBytes = formSamples === null ? 0 : 4 + long.length + format.length + 8 + formSamples;
  if (isLong) {
    long.write("ds64\x1c");
    long.writeBigUInt64LE(BigInt(formBytes), 8);
    long.writeBigUInt64LE(BigInt(dataBytes), 16);
  }
  const [start, data] = [Buffer.from(`${form}\0\0\0\0WAVE`), Buffer.from("data\0\0\0\0")];
  start.writeUInt32LE(isLong ? 0xffffffff : formBytes, 4);
  data.writeUInt32LE(isLong ? 0xffffffff : dataBytes, 4);
  return Buffer.concat([start, long, format, data, Buffer.alloc(samples)]);
}

/** The header of the first block of WavPack, at 44.1 kHz; the total is 2^32 - 1 if the encoder did not know it. */
export function wavpackBlock(samples: number, flags = 9 << 23): Buffer {
  return bytes(64, (buffer) => {
    buffer.write("wvpk", "latin1");
    buffer.writeUInt32LE(56, 4);
    buffer.writeUInt16LE(0x410, 8);
    buffer.writeUInt32LE(samples, 12);
    buffer.writeUInt32LE(flags, 24);
  });
}

/** Monkey's Audio 3.99: the descriptor, then the header. */
export function monkeysAudio(frames: number, lastBlocks: number): Buffer {
  return bytes(76, (buffer) => {
    buffer.write("MAC ", "latin1");
    buffer.writeUInt16LE(3990, 4);
    buffer.writeUInt32LE(52, 8);
    buffer.writeUInt32LE(24, 12);
    [73_728, lastBlocks, frames].forEach((value, index) => buffer.writeUInt32LE(value, 56 + 4 * index));
    buffer.writeUInt16LE(16, 68);
    buffer.writeUInt16LE(2, 70);
    buffer.writeUInt32LE(44_100, 72);
  });
}

/** Monkey's Audio before 3.98: one header. */
export function oldMonkeysAudio(version: number, level: number, frames: number, lastBlocks: number): Buffer {
  return bytes(76, (buffer) => {
    buffer.write("MAC ", "latin1");
    [version, level, 0, 2].forEach((value, index) => buffer.writeUInt16LE(value, 4 + 2 * index));
    buffer.writeUInt32LE(44_100, 12);
    buffer.writeUInt32LE(frames, 24);
    buffer.writeUInt32LE(lastBlocks, 28);
  });
}

/** Musepack of stream version 7: frames of 1152 samples, 44.1 kHz, of which the last one has fewer. */
export function musepack7(frames: number, lastSamples: number): Buffer {
  return bytes(32, (buffer) => {
    buffer.write("MP+\x07", "latin1");
    buffer.writeUInt32LE(frames, 4);
    // The bits are those of 32-bit words in little-endian order: a flag, the number of samples, 20 bits unused.
    buffer.writeUInt32LE(((1 << 31) | (lastSamples << 20)) >>> 0, 20);
  });
}

/** Musepack of stream version 8: lengths of 7 bits a byte; 48 kHz. */
export function musepack8(samples: number, silence: number): Buffer {
  const packet = Buffer.from([0, 0, 0, 0, 8, ...variable(samples), ...variable(silence), 1 << 5, 0x10]);
  return Buffer.concat([Buffer.from("MPCKSH", "latin1"), Buffer.from([packet.length + 3]), packet, Buffer.from("AP")]);
}

function variable(value: number): number[] {
  const low = value % 128;
  const more = Math.floor(value / 128);
  return [...(more > 0 ? variable(more).map((byte) => byte | 128) : []), low];
}

/** The header of True Audio, at 44.1 kHz. */
export function trueAudio(samples: number): Buffer {
  return bytes(22, (buffer) => {
    buffer.write("TTA1\x01\0\x02\0\x10\0", "latin1");
    buffer.writeUInt32LE(44_100, 10);
    buffer.writeUInt32LE(samples, 14);
  });
}

/** Frames of AC-3: 192 kbit/s at 48 kHz. */
export function ac3Frames(count: number): Buffer {
  const frame = Buffer.alloc(768);
  frame.set([0x0b, 0x77, 0, 0, 20, 0x40]);
  return Buffer.alloc(count * frame.length, frame);
}

/** Frames of E-AC-3 of 256 bytes: six blocks at 48 kHz, each frame with another one of more channels behind it. */
export function eac3Frames(count: number): Buffer {
  const frames = Buffer.alloc(512);
  frames.set([0x0b, 0x77, 0, 127, 0x30, 16 << 3]);
  frames.set([0x0b, 0x77, 0x40, 127, 0x30, 16 << 3], 256);
  return Buffer.alloc(count * frames.length, frames);
}

/** The header of FLV with video, without a tag. */
export const flvHeader = Buffer.from("FLV\x01\x05\0\0\0\x09\0\0\0\0", "latin1");

/** A tag of FLV, and its length behind it. */
export function flvTag(type: number, content: Buffer, timestampMs = 0): Buffer {
  const header = bytes(11, (buffer) => {
    buffer.writeUInt8(type);
    buffer.writeUIntBE(content.length, 1, 3);
    buffer.writeUIntBE(timestampMs % 2 ** 24, 4, 3);
    buffer.writeUInt8(Math.floor(timestampMs / 2 ** 24), 7);
  });
  const length = bytes(4, (buffer) => buffer.writeUInt32BE(header.length + content.length));
  return Buffer.concat([header, content, length]);
}

/** Metadata of Flash video: numbers by key (AMF 0, 2.2 and 2.10). */
export function onMetaData(values: Readonly<Record<string, number>>): Buffer {
  const entries = Object.entries(values).map(([key, value]) =>
    bytes(2 + key.length + 9, (buffer) => {
      buffer.writeUInt16BE(key.length);
      buffer.write(key, 2);
      buffer.writeDoubleBE(value, 3 + key.length);
    }),
  );
  return Buffer.concat([Buffer.from("\x02\0\x0aonMetaData\x08\0\0\0\x01", "latin1"), ...entries, Buffer.of(0, 0, 9)]);
}

/** A page of Ogg with packets that end on it (RFC 3533 6); a negative position: none. */
export function oggPage(flags: number, serial: number, position: number, ...packets: readonly Buffer[]): Buffer {
  const lacing = packets.flatMap(({ length }) => [...Array<number>(Math.floor(length / 255)).fill(255), length % 255]);
  const header = bytes(27, (buffer) => {
    buffer.write("OggS", "latin1");
    buffer.writeUInt8(flags, 5);
    buffer.writeBigInt64LE(BigInt(position), 6);
    buffer.writeUInt32LE(serial, 14);
    buffer.writeUInt8(lacing.length, 26);
  });
  return Buffer.concat([header, Buffer.from(lacing), ...packets]);
}

/** The first packet of a sound in Ogg: 44.1 kHz, but 16 kHz of Speex, and 312 samples before the first one of Opus. */
export const oggHeads = {
  /** Its longest blocks have 2048 samples (Vorbis I 4.2.2). */
  vorbis: bytes(30, (buffer) => {
    buffer.write("\x01vorbis", "latin1");
    buffer.writeUInt8(2, 11);
    buffer.writeUInt32LE(44_100, 12);
    buffer.set([0xb8, 1], 28);
  }),
  opus: bytes(19, (buffer) => {
    buffer.write("OpusHead\x01\x02", "latin1");
    buffer.writeUInt16LE(312, 10);
    buffer.writeUInt32LE(48_000, 12);
  }),
  speex: bytes(80, (buffer) => {
    buffer.write("Speex   1.2", "latin1");
    buffer.writeUInt32LE(16_000, 36);
  }),
  flac: bytes(51, (buffer) => {
    buffer.write("\x7fFLAC\x01\0\0\x01fLaC\0\0\0\x22", "latin1");
    buffer.writeUInt32BE(44_100 * 2 ** 12, 27);
  }),
};

/** The content of the first block of FLAC: two channels of 16 bits at 44.1 kHz (RFC 9639 8.2). */
export function flacStreamInfo(samples: number): Buffer {
  return bytes(34, (buffer) => {
    buffer.writeUInt32BE(44_100 * 2 ** 12 + 0x2f0, 10);
    buffer.writeUInt32BE(samples, 14);
  });
}

/** A codestream of JPEG XL: its header as fields of bits, the lowest of each byte first, with zeros behind them. */
export function jxlCodestream(...fields: readonly (readonly [count: number, value: number])[]): Buffer {
  const all = fields.flatMap(([count, value]) =>
    Array.from({ length: count }, (_, bit) => Math.floor(value / 2 ** bit) & 1),
  );
  return bytes(2 + Math.ceil(all.length / 8) + 4, (buffer) => {
    buffer.set([0xff, 0x0a]);
    for (const [at, bit] of all.entries()) buffer[2 + (at >> 3)]! |= bit << (at & 7);
  });
}
