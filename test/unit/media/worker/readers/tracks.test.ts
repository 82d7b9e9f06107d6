import {
  BufferSource,
  BufferTarget,
  EncodedPacket,
  EncodedPacketSink,
  EncodedVideoPacketSource,
  Input,
  MATROSKA,
  MkvOutputFormat,
  Mp4OutputFormat,
  Output,
} from "mediabunny";
import { describe, expect, test } from "vitest";
import { reader as mpegAudio } from "../../../../../src/media/worker/readers/mpeg-audio.ts";
import { reader as oggReader } from "../../../../../src/media/worker/readers/ogg.ts";
import { reader } from "../../../../../src/media/worker/readers/tracks.ts";
import { byteFiles } from "../../../../support/byte-files.ts";
import { fileType, latin1, ogg } from "../../../../support/heads.ts";
import { fragment, fragmentDefaults, movieHeader } from "../../../../support/track-bytes.ts";

const mebibyte = 1024 ** 2;

interface FilmOptions {
  /** Seconds at which the packets begin; the first has a key frame. */
  readonly times: readonly number[];
  readonly packetBytes?: number;
  /** The content of each packet. Default: zeros. */
  readonly content?: Uint8Array;
  readonly rotation?: 0 | 90 | 180 | 270;
  /** Without a duration, as a stream that is still being recorded. */
  readonly isLive?: boolean;
  /** Of H.264 (ISO/IEC 14496-15, 5.3.3.1), which is the codec then. */
  readonly settings?: Uint8Array;
  /** The header of an MP4 is behind its packets. */
  readonly container?: "matroska" | "mp4";
}

/** A film, by default in VP8, whose packets have no pictures, unless there is a content. */
async function film(options: FilmOptions): Promise<Uint8Array> {
  const { times, packetBytes = 100, rotation = 0, isLive = false, container = "matroska" } = options;
  const { content = new Uint8Array(packetBytes), settings } = options;
  const target = new BufferTarget();
  const format =
    container === "mp4" ? new Mp4OutputFormat({ fastStart: false }) : new MkvOutputFormat({ appendOnly: isLive });
  const output = new Output({ format, target });
  const source = new EncodedVideoPacketSource(settings ? "avc" : "vp8");
  output.addVideoTrack(source, { rotation });
  await output.start();
  const codec = settings ? { codec: "avc1.42001e", description: settings } : { codec: "vp8" };
  const decoderConfig = { ...codec, codedWidth: 320, codedHeight: 180 };
  for (const [index, time] of times.entries()) {
    const packet = new EncodedPacket(content, index === 0 ? "key" : "delta", time, 0.5);
    await source.add(packet, { decoderConfig });
  }
  await output.finalize();
  return new Uint8Array(target.buffer!);
}

/** The times of the packets in a clip. */
async function timesIn(clip: Uint8Array): Promise<number[]> {
  using input = new Input({ source: new BufferSource(clip), formats: [MATROSKA] });
  const sink = new EncodedPacketSink((await input.getPrimaryVideoTrack())!);
  const times: number[] = [];
  for await (const packet of sink.packets()) times.push(packet.timestamp);
  return times;
}

const seconds = (count: number, from = 0) => Array.from({ length: count }, (_, index) => from + index);
const measure = (body: Uint8Array, isWhole = true) => reader.measure!(body, isWhole);
const cut = (body: Uint8Array) => reader.cut!(body);

describe("a film", () => {
  test("a film has the size as displayed and its declared duration, also by its first bytes", async () => {
    const body = await film({ times: seconds(4), rotation: 90 });
    const facts = { width: 180, height: 320, animated: null, durationMs: 3500 };
    expect(await measure(body)).toEqual(facts);
    expect(await measure(body, false)).toEqual(facts);
  });

  test("a film without a declared duration has that of its packets, if the whole file is there", async () => {
    const body = await film({ times: seconds(4), isLive: true });
    const facts = { width: 320, height: 180, animated: null };
    expect(await measure(body)).toEqual({ ...facts, durationMs: 3000 }); // the last packet has none
    expect(await measure(body, false)).toEqual({ ...facts, durationMs: null });
  });

  test("the duration of a film that begins later does not include the time before", async () => {
    expect(await measure(await film({ times: seconds(4, 2), isLive: true }))).toMatchObject({ durationMs: 3000 });
  });

  test("a file without tracks is rejected", async () => {
    await expect(measure(movieHeader([]))).rejects.toThrow("no tracks");
    await expect(measure(latin1("no film at all"))).rejects.toThrow();
  });

  test("a film without a cover is shown by its first frame if that is a JPEG", async () => {
    const content = Uint8Array.of(0xff, 0xd8, 0xff, 0xe0, 1, 2, 3);
    expect(await reader.show(await film({ times: seconds(2), content }))).toEqual({ picture: content });
    expect(await reader.show(await film({ times: seconds(2) }))).toBeNull();
  });
});

describe("the clip of a film", () => {
  test("a clip has the packets of the first ten seconds, those at the tenth included", async () => {
    const clip = await cut(await film({ times: [...seconds(10), 9.9, 10, 10.1, 11, 12] }));
    expect(clip).toMatchObject({ container: "matroska", rotation: 0 });
    expect(await timesIn(clip!.bytes)).toEqual([...seconds(10), 9.9, 10]);
  });

  test("the ten seconds begin with the first packet", async () => {
    const clip = await cut(await film({ times: seconds(20, 3) }));
    expect(await timesIn(clip!.bytes)).toHaveLength(11);
  });

  test.each([0, 90, 180, 270] as const)(
    "the clip of a film that is turned by %i degrees has the rotation",
    async (rotation) => {
      expect(await cut(await film({ times: seconds(2), rotation }))).toMatchObject({ rotation });
    },
  );

  // 4 MiB without 256 KiB for the container.
  test.each([
    [750, 5],
    [550, 6],
    [384, 10],
  ])("a clip has as many packets of %i KiB as fit in 3840 KiB", async (kibibytes, count) => {
    const clip = await cut(await film({ times: seconds(11), packetBytes: kibibytes * 1024 }));
    expect(await timesIn(clip!.bytes)).toEqual(seconds(count));
    expect(clip!.bytes.length).toBeLessThanOrEqual(4 * mebibyte);
  });

  test("a film whose first packet is too large has no packet in its clip", async () => {
    const clip = await cut(await film({ times: seconds(3), packetBytes: 4 * mebibyte }));
    expect(clip === null ? 0 : clip.bytes.length).toBeLessThan(1000);
  });

  test("a film whose codec settings alone are larger than a clip may be has none", async () => {
    const settings = (bytes: number) => Buffer.concat([Buffer.from([1, 0x42, 0, 0x1e, 0xff, 0xe0, 0]), Buffer.alloc(bytes)]); // prettier-ignore
    expect(await cut(await film({ times: seconds(2), settings: settings(9) }))).toMatchObject({
      container: "matroska",
    });
    expect(await cut(await film({ times: seconds(2), settings: settings(4 * mebibyte) }))).toBeNull();
  });

  test("a film in MP4 becomes a clip in Matroska, at once", async () => {
    const clip = await cut(await film({ times: seconds(4), container: "mp4" }));
    expect(clip).toMatchObject({ container: "matroska" });
    expect(await timesIn(clip!.bytes)).toEqual(seconds(4));
  });

  test("the clip of a Matroska film of another codec is its first 4 MiB", async () => {
    const body = Buffer.from(await film({ times: seconds(12), packetBytes: 600 * 1024, rotation: 180 }));
    body.write("V_XYZ", body.indexOf("V_VP8"), "latin1");
    const clip = await cut(body);
    expect(clip).toMatchObject({ container: "matroska", rotation: 180 });
    expect(Buffer.from(clip!.bytes).equals(body.subarray(0, 4 * mebibyte))).toBe(true);
  });

  test("the clip of a movie of another codec is an excerpt of it, for ffmpeg", async () => {
    const body = Buffer.from(await film({ times: seconds(3), container: "mp4", rotation: 90 }));
    body.write("xyz1", body.indexOf("vp08"), "latin1");
    const clip = await cut(body);
    expect(clip).toMatchObject({ container: "mov", rotation: 90 });
    expect(clip!.bytes.length).toBeGreaterThan(300);
    const orderOf = (bytes: Uint8Array) => ["moov", "mdat"].sort((a, b) => Buffer.from(bytes).indexOf(a) - Buffer.from(bytes).indexOf(b)); // prettier-ignore
    expect([orderOf(body), orderOf(clip!.bytes)]).toEqual([
      ["mdat", "moov"],
      ["moov", "mdat"], // ffmpeg reads a pipe
    ]);
  });

  test("a movie that the library cannot read has a clip for ffmpeg if it has video", async () => {
    const unreadable = (handler: "vide" | "soun") => {
      const movie = movieHeader([{ handler, isTurned: true, samples: 3 }]);
      movie[movie.indexOf("tkhd") + 4] = 255; // version
      return Buffer.concat([fileType("isom"), movie]);
    };
    await expect(measure(unreadable("vide"))).rejects.toThrow("track header");
    expect(await cut(unreadable("vide"))).toEqual({ bytes: unreadable("vide"), container: "mov", rotation: 90 });
    expect(await cut(unreadable("soun"))).toBeNull();
  });

  test("a sound has no clip", async () => {
    expect(await cut(movieHeader([{ handler: "soun" }]))).toBeNull();
  });
});

describe("the cover of a song", () => {
  const jpeg = (...rest: readonly number[]) => Buffer.from([0xff, 0xd8, 0xff, 0xe0, ...rest]);
  /** Frames of 128 kbit/s at 44.1 kHz. */
  const frames = Buffer.alloc(20 * 417, Buffer.concat([Buffer.from([0xff, 0xfb, 0x90, 0]), Buffer.alloc(413)]));

  /** ID3v2.3, 4.15: text encoding, media type, kind of picture, an empty description, the picture. */
  function cover(kind: number, picture: Uint8Array): Buffer {
    const content = Buffer.concat([latin1("\0image/jpeg\0"), Buffer.from([kind, 0]), picture]);
    const header = Buffer.alloc(10);
    header.write("APIC");
    header.writeUInt32BE(content.length, 4);
    return Buffer.concat([header, content]);
  }

  function song(...covers: readonly Buffer[]): Buffer {
    const tag = Buffer.concat(covers);
    const sizes = [21, 14, 7, 0].map((shift) => (tag.length >> shift) & 127);
    return Buffer.concat([latin1("ID3\x03\0\0"), Buffer.from(sizes), tag, frames]);
  }

  const show = async (body: Uint8Array) => {
    const shown = await reader.show(body);
    return shown && "picture" in shown ? Buffer.from(shown.picture) : null;
  };

  test("the front cover is shown, also behind others, else the first picture", async () => {
    const [back, front] = [jpeg(1), jpeg(2)];
    expect(await show(song(cover(4, back), cover(3, front)))).toEqual(front);
    expect(await show(song(cover(3, front), cover(4, back)))).toEqual(front);
    expect(await show(song(cover(4, back), cover(5, jpeg(3))))).toEqual(back);
    expect(await show(song())).toBeNull();
  });

  test.each([0, 1, 300, 4095])("a picture behind %i other bytes is found", async (bytes) => {
    const picture = jpeg(1, 2, 3);
    expect(await show(song(cover(3, Buffer.concat([Buffer.alloc(bytes, 7), picture]))))).toEqual(picture);
  });

  test("a picture that has another one inside is shown whole", async () => {
    const picture = jpeg(1, 2, ...jpeg(3));
    expect(await show(song(cover(3, picture)))).toEqual(picture);
  });

  test("a PNG behind other bytes is found", async () => {
    const picture = latin1("\x89PNG\r\n\x1a\n\0\0\0\rIHDR");
    expect(await show(song(cover(3, Buffer.concat([Buffer.alloc(9, 7), picture]))))).toEqual(picture);
  });

  test("bytes in which no picture begins among the first 4096 are shown as they are", async () => {
    const late = Buffer.concat([Buffer.alloc(4096, 7), jpeg(1)]);
    expect(await show(song(cover(3, late)))).toEqual(late);
    expect(await show(song(cover(3, Buffer.alloc(3, 7))))).toEqual(Buffer.alloc(3, 7));
  });

  test("the duration of a song is that of its frames, if all of them are there", async () => {
    const isAudio = { width: null, height: null, animated: null };
    expect(await mpegAudio.measure!(song(), true)).toEqual({ ...isAudio, durationMs: 522 }); // 20 frames of 1152 samples
    expect(await mpegAudio.measure!(song(), false)).toEqual({ ...isAudio, durationMs: null });
    const adts = Buffer.alloc(30 * 9, Buffer.from([0xff, 0xf1, 0x50, 0x80, 0x01, 0x3f, 0xfc, 0, 0])); // 1024 samples each
    expect(await mpegAudio.measure!(adts, true)).toEqual({ ...isAudio, durationMs: 697 }); // prettier-ignore
    const interrupted = Buffer.concat([adts, Buffer.alloc(500, 1), adts]);
    expect(await mpegAudio.measure!(interrupted, true)).toEqual({ ...isAudio, durationMs: 1393 });
    await expect(mpegAudio.measure!(Buffer.alloc(50, 7), true)).rejects.toThrow();
  });
});

describe("a movie whose facts the read plan knows", () => {
  test("the duration of a movie is that of its fragments", async () => {
    const body = Buffer.concat([movieHeader([{}], fragmentDefaults()), fragment(1, 20, 0), fragment(1, 10, 2000)]);
    expect(await measure(body, false)).toMatchObject({ width: 320, height: 180, durationMs: null });
  });
});

test("an Ogg of an unknown codec is left to the library, which does not know it either", async () => {
  await expect(oggReader.measure!(ogg("unheard of"), true)).rejects.toThrow();
  expect(await oggReader.cut!(ogg("unheard of"))).toBeNull();
});

test("an Ogg film has the size in its header", async () => {
  const measured = await oggReader.measure!(byteFiles["an Ogg film"]!, true);
  expect(measured).toMatchObject({ width: 427, height: 180, animated: null });
});

test("the clip of an Ogg film is its first bytes", async () => {
  const body = byteFiles["an Ogg film"]!;
  expect(await oggReader.cut!(body)).toEqual({ bytes: new Uint8Array(body), container: "ogg", rotation: 0 });
});
