import { describe, expect, test } from "vitest";
import { readChainedMs } from "../../../../src/media/formats/ogg-chain.ts";
import { countAdtsMs } from "../../../../src/media/formats/aac.ts";
import { countMp3Ms } from "../../../../src/media/formats/mp3.ts";
import { sniff } from "../../../../src/media/formats/sniff.ts";
import { byteFiles } from "../../../support/byte-files.ts";
import { adtsFrames, box, fileType, latin1, mp3Frames } from "../../../support/heads.ts";
import { followFacts } from "../../../support/read-plan.ts";
import * as streams from "../../../support/stream-heads.ts";
import { aifcFile, fragment, fragmentDefaults, movieHeader, wavFile } from "../../../support/track-bytes.ts";
import { uint } from "../../../support/worst-cases.ts";

const { flacStreamInfo, oggHeads, oggPage, wave } = streams;

function factsOf(file: Buffer) {
  return followFacts(sniff(file)!.plan, file, { head: Math.min(file.length, 12 * 1024) }).steps.at(-1)!.known;
}

const movie = (...boxes: readonly Buffer[]) => Buffer.concat([fileType("isom"), ...boxes]);

describe("the duration of a movie whose declared times are all ones", () => {
  test("the duration of a movie is that of its samples", () => {
    expect(factsOf(movie(movieHeader([{ samples: 30 }]))).durationMs).toBe(3000);
  });

  test("the duration of a movie begins behind the media time of the edit list", () => {
    const sound = { handler: "soun", samples: 31, edits: [[0xffffffff, 100]] } as const;
    expect(factsOf(movie(movieHeader([sound]))).durationMs).toBe(3000);
  });

  test("the duration of a movie is that of the edit list if it has no samples", () => {
    expect(factsOf(movie(movieHeader([{ edits: [[2500, 0]] }]))).durationMs).toBe(2500);
  });

  test("the duration of a movie is that of the samples in the header and in the fragments together", () => {
    const header = movieHeader([{ samples: 2, duration: 200 }], fragmentDefaults());
    expect(factsOf(movie(header, fragment(1, 5, 200), fragment(1, 4, 700))).durationMs).toBe(1100);
  });

  test("the duration of a movie is that of the fragments if `mehd` is all ones too", () => {
    const unknown = box("mehd", uint(4, 0), uint(4, 0xffffffff));
    const header = movieHeader([{}], fragmentDefaults(unknown));
    expect(factsOf(movie(header, fragment(1, 5, null), fragment(1, 4, null))).durationMs).toBe(900);
  });

  test.each([
    [2 * 1024 ** 2 - 1, (2 * 1024 ** 2 - 1) * 10],
    [2 * 1024 ** 2, undefined],
  ])(
    "the duration of a movie is not that of two million samples or more with durations of their own: %i",
    (samples, durationMs) => {
      const run = box("trun", uint(4, 0x100), uint(4, samples), Buffer.alloc(4 * samples, uint(4, 10)));
      const track = box("traf", box("tfhd", uint(4, 0), uint(4, 1)), box("tfdt", uint(4, 0), uint(4, 0)), run);
      const file = movie(movieHeader([{}], fragmentDefaults()), box("moof", track));
      expect(factsOf(file).durationMs).toBe(durationMs);
    },
  );

  test("the duration of a movie is declared by `mehd` without a fragment", () => {
    const header = movieHeader([{}], fragmentDefaults(box("mehd", uint(4, 0), uint(4, 4321))));
    expect(factsOf(movie(header)).durationMs).toBe(4321);
  });

  test.each([
    ["of their own", 9000],
    ["in the index alone", null],
  ])(
    "the duration of a movie is read from the last fragments, whose times are %s, if the file ends with an index for random access",
    (_, time) => {
      const header = movieHeader([{}], fragmentDefaults());
      const start = movie(header, fragment(1, 10, 5000), box("free", Buffer.alloc(500_000)));
      const tableOf = box("tfra", uint(4, 0), uint(4, 1), uint(4, 0), uint(4, 1), uint(4, 9000), uint(4, start.length), Buffer.alloc(3)); // prettier-ignore
      const index = box("mfra", tableOf, box("mfro", uint(4, 0), uint(4, 8 + tableOf.length + 16)));
      const file = Buffer.concat([start, fragment(1, 10, time), index]);
      const { steps, bytesRead } = followFacts(sniff(file)!.plan, file);
      expect(steps.at(-1)!.known.durationMs).toBe(5000);
      expect(bytesRead).toBeLessThan(100_000);
    },
  );

  test("the duration of a movie is that of its fragments if `mehd` has no unit, and is declared in whole seconds if a second is one", () => {
    const header = (timescale: number) => {
      const bytes = movieHeader([{}], fragmentDefaults(box("mehd", uint(4, 0), uint(4, 4))));
      bytes.writeUInt32BE(timescale, bytes.indexOf("mvhd") + 4 + 12);
      return bytes;
    };
    const [none, seconds] = [0, 1].map((timescale) => factsOf(movie(header(timescale), fragment(1, 10, 0))).durationMs);
    expect([none, seconds]).toEqual([1000, 4000]);
  });
});

test("the duration of a film without a declared one is the sum of all runs of its samples", () => {
  const file = Buffer.from(byteFiles["a film whose samples are listed"]!);
  for (const type of ["mvhd", "mdhd"]) {
    for (let at = file.indexOf(type); at >= 0; at = file.indexOf(type, at + 4)) file.fill(0xff, at + 20, at + 24);
  }
  expect(factsOf(file).durationMs).toBe(11_500); // 3 of 1 s, 2 of 4 s, behind an empty edit of half a second
});

describe("the size of a video track", () => {
  test.each([
    ["its samples", {}, [320, 180]],
    ["its samples, turned by the matrix", { isTurned: true }, [180, 320]],
    ["its samples in square pixels", { aspect: [4, 3] }, [427, 180]],
    ["its track header if the samples have none", { coded: [0, 0], displayed: [640, 360] }, [640, 360]],
    ["its track header if that has other proportions", { coded: [720, 576], displayed: [1024, 576] }, [1024, 576]],
    ["its samples if the track header is turned already", { displayed: [180, 320], isTurned: true }, [180, 320]],
  ] as const)("is that of %s", (_, track, [width, height]) => {
    expect(factsOf(movie(movieHeader([{ samples: 1, ...track }])))).toMatchObject({ width, height });
  });
});

describe("the duration of a WAV", () => {
  const ima = { format: 0x11, rate: 8000, bytesPerSecond: 4055, blockBytes: 256, blockSamples: 505, dataBytes: 12_288 };
  test.each([
    ["in IMA ADPCM is counted in `fact`", { ...ima, factSamples: 24_000 }, 3000],
    ["in IMA ADPCM is counted in blocks without `fact`", ima, 3030],
    ["in IMA ADPCM is counted in blocks if `fact` cannot be", { ...ima, factSamples: 9 }, 3030],
    ["in GSM 6.10 is counted in blocks", { format: 0x31, rate: 8000, bytesPerSecond: 1625, blockBytes: 65, blockSamples: 320, dataBytes: 4875 }, 3000], // prettier-ignore
    ["in G.722 is that of its mean bytes", { format: 0x28f, rate: 16_000, bytesPerSecond: 8000, blockBytes: 1, dataBytes: 24_000 }, 3000], // prettier-ignore
    ["of length 0 goes on to the end", { format: 1, rate: 8000, bytesPerSecond: 16_000, blockBytes: 2, dataBytes: 48_000, declaredBytes: 0, riffBytes: 36 }, 3000], // prettier-ignore
    ["of a length of all ones goes on to the end", { format: 1, rate: 8000, bytesPerSecond: 16_000, blockBytes: 2, dataBytes: 48_000, declaredBytes: 0xffffffff, riffBytes: 0xffffffff }, 3000], // prettier-ignore
  ])("%s", (_, options, durationMs) => {
    expect(factsOf(wavFile(options)).durationMs).toBe(durationMs);
  });
});

test.each([
  ["ima4", 2068, 16, 2068 * 34, 3001],
  ["ima4", 132_300, 16, 2068 * 34, 3000],
  ["ulaw", 132_300, 16, 132_300, 3000],
  ["sowt", 132_300, 16, 264_600, 3000],
  ["fl32", 0, 32, 529_200, 3000],
  ["GSM ", 827, 16, 827 * 33, 3000],
  ["agsm", 827, 16, 827 * 33, 3000],
  ["ULAW", 0, 16, 132_300, 3000],
  ["alaw", 0, 16, 132_300, 3000],
  ["ALAW", 0, 16, 132_300, 3000],
  ["G722", 0, 16, 66_150, 3000],
  ["MAC3", 22_050, 8, 44_100, 3000],
  ["MAC6", 22_050, 8, 22_050, 3000],
])("an AIFC in %s with the count %i has the duration of its samples", (coding, count, bits, bytes, durationMs) => {
  expect(factsOf(aifcFile(coding, count, bits, bytes)).durationMs).toBe(durationMs);
});

const ogg = (head: Buffer, samples: number) => {
  const packet = Buffer.alloc(30);
  const first = [oggPage(2, 7, 0, head), oggPage(0, 7, 0, packet, packet), oggPage(0, 7, 700, packet)];
  return Buffer.concat([...first, oggPage(4, 7, samples, packet)]);
};
const caf = (samples: number, bytes: number) =>
  Buffer.concat([streams.cafStart("lpcm", 8000, { bytes: 4, frames: 1 }), streams.cafChunk("data", Buffer.alloc(4 + 4 * samples), bytes)]); // prettier-ignore
const opusCaf = streams.cafStart("opus", 48_000, { bytes: 0, frames: 960 });

test.each<[string, rate: number, make: (samples: number) => Buffer]>([
  ["a WAV", 8000, (samples) => wave("RIFF", samples + 100, samples, samples + 200)],
  ["a WAV that ends where its form does", 8000, (samples) => wave("RIFF", samples, samples + 100, samples + 200)],
  ["a WAV of 64 bits", 8000, (samples) => wave("RF64", samples + 100, samples, samples + 200)],
  ["a WAV of 64 bits that ends where its form does", 8000, (samples) => wave("RF64", samples, samples + 100, samples + 200)], // prettier-ignore
  ["a WAV that is cut", 8000, (samples) => wave("RIFF", samples + 200, samples + 100, samples)],
  ["an AIFC by its count", 44_100, (samples) => aifcFile("ulaw", samples, 16, samples)],
  ["an AIFC by the length of its sound", 44_100, (samples) => aifcFile("fl32", 0, 32, 4 * samples)],
  ["an AU", 8000, (samples) => Buffer.concat([streams.auHeader(4 * samples), Buffer.alloc(4 * samples + 100)])],
  ["an AU that is cut", 8000, (samples) => Buffer.concat([streams.auHeader(90_000), Buffer.alloc(4 * samples)])],
  ["a CAF of equal packets", 8000, (samples) => caf(samples, 4 + 4 * samples)],
  ["a CAF whose data have no length yet", 8000, (samples) => caf(samples, -1)],
  ["a CAF with a packet table", 48_000, (samples) => Buffer.concat([opusCaf, streams.cafPacketTable(99, samples)])],
  ["a WavPack", 44_100, streams.wavpackBlock],
  ["Monkey's Audio", 44_100, (samples) => streams.monkeysAudio(1, samples)],
  ["Monkey's Audio 3.95", 44_100, (samples) => streams.oldMonkeysAudio(3950, 2000, 1, samples)],
  ["Musepack 7", 44_100, (samples) => streams.musepack7(Math.ceil(samples / 1152), samples % 1152)],
  ["Musepack 8", 48_000, (samples) => streams.musepack8(samples + 500, 500)],
  ["True Audio", 44_100, streams.trueAudio],
  ["a FLAC", 44_100, (samples) => Buffer.concat([latin1("fLaC\x80\0\0\x22"), flacStreamInfo(samples)])],
  ["an Ogg song in Vorbis", 44_100, (samples) => ogg(oggHeads.vorbis, samples)],
  ["an Ogg message in Speex", 16_000, (samples) => ogg(oggHeads.speex, samples)],
  ["an Ogg song in FLAC", 44_100, (samples) => ogg(oggHeads.flac, samples)],
  ["an Ogg song in Opus", 48_000, (samples) => ogg(oggHeads.opus, samples + 312)],
])("each sample of %s counts for its duration", (_, rate, make) => {
  const millisecondsOf = (samples: number) => Math.round((samples * 1000) / rate);
  // A sample is less than a millisecond: the next one is the one that rounds up.
  const samples = Array.from({ length: 100 }, (_, more) => 5000 + more).find(
    (samples) => millisecondsOf(samples) < millisecondsOf(samples + 1),
  )!;
  const durations = [samples, samples + 1].map((samples) => factsOf(make(samples)).durationMs);
  expect(durations).toEqual([millisecondsOf(samples), millisecondsOf(samples) + 1]);
});

test("an AIFC whose sound has the length of its header alone goes on to its end: it was not finished", () => {
  const file = aifcFile("fl32", 0, 32, 529_200);
  file.writeUInt32BE(8, file.indexOf("SSND") + 4);
  expect(factsOf(file).durationMs).toBe(3000);
});

test("a FLAC whose last block is empty goes no further", () => {
  const file = Buffer.concat([latin1("fLaC\x80\0\0\0\0\0\0\x22"), flacStreamInfo(44_100)]);
  expect(factsOf(file)).toEqual({});
});

const frames = (one: Buffer, count: number) => Buffer.concat(Array.from({ length: count }, () => one));

describe("MPEG audio behind other data", () => {
  test.each([
    ["zeros", Buffer.alloc(3000)],
    ["noise", Buffer.from(Array.from({ length: 4096 }, (_, index) => (index * 7919) % 251))],
  ])("MPEG audio has its type and the duration of its frames behind %s", (_, junk) => {
    const mp3 = Buffer.concat([junk, frames(mp3Frames(), 50)]);
    expect(sniff(mp3)!.name).toBe("mp3");
    expect(factsOf(mp3).durationMs).toBe(Math.round((100 * 1152) / 44.1));
    const adts = Buffer.concat([junk, frames(adtsFrames(), 50)]);
    expect(sniff(adts)!.name).toBe("aac");
    expect(countAdtsMs(adts)).toBe(Math.round((100 * 1024) / 44.1));
  });

  test.each([
    ["4096 bytes", 4096, 4, "mp3"],
    ["4097 bytes", 4097, 4, undefined],
    ["4096 bytes, by three frames in a row", 4096, 3, "mp3"],
    ["4096 bytes, and not by two frames in a row", 4096, 2, undefined],
  ] as const)("MPEG audio is found behind at most %s", (_, junk, count, name) => {
    const first = mp3Frames().subarray(0, 417);
    expect(sniff(Buffer.concat([Buffer.alloc(junk), frames(first, count)]))?.name).toBe(name);
  });

  test("MPEG audio is not found in other data", () => {
    expect(sniff(Buffer.concat([Buffer.alloc(3000), mp3Frames()]))).toBeNull();
    expect(sniff(Buffer.alloc(8000, 0xff))).toBeNull();
  });
});

test("the frames of an MP3 are counted over data between them, without an encoder header", () => {
  const info = mp3Frames().subarray(0, 417);
  info.write("Xing", 36, "latin1");
  info.writeUInt32BE(1, 40);
  const file = Buffer.concat([info, frames(mp3Frames(), 20), Buffer.alloc(500), frames(mp3Frames(), 5)]);
  expect(countMp3Ms(file)).toBe(Math.round((50 * 1152) / 44.1));
});

/** A link of Opus with a pre-skip of 312 samples: packets of 20 ms. */
function opus(serial: number, packets: number): Buffer {
  const content = Array.from({ length: packets }, (_, index) => oggPage(0, serial, (index + 1) * 960, Buffer.from([0x78, 0]))); // prettier-ignore
  return Buffer.concat([
    oggPage(2, serial, 0, oggHeads.opus),
    oggPage(0, serial, 0, Buffer.from("OpusTags", "latin1")),
    ...content,
  ]);
}

describe("an Ogg file of several links", () => {
  test.each([
    ["of different streams", 2],
    ["of the same serial number", 1],
  ])("%s has the sum of their durations", (_, serial) => {
    const one = factsOf(opus(1, 50)).durationMs!;
    expect(one).toBe(Math.round(1000 - 6.5));
    const file = Buffer.concat([opus(1, 50), opus(serial, 25)]);
    expect(factsOf(file)).toEqual({});
    expect(readChainedMs(file)).toBe(one + Math.round(500 - 6.5));
  });

  test("has the duration of the whole pages if the last one is cut", () => {
    const file = opus(1, 50);
    expect(factsOf(file.subarray(0, -10)).durationMs).toBe(Math.round(980 - 6.5));
  });
});

test.each([
  [2048, true],
  [2049, false],
])(
  "an Ogg song in Vorbis whose first two packets end at sample %i begins at its first one: %s",
  (position, isKnown) => {
    // Blocks of 2048 samples, each of which overlaps the next one by half (Vorbis I 4.2.2).
    const packet = Buffer.alloc(30);
    const file = Buffer.concat([
      oggPage(2, 7, 0, oggHeads.vorbis),
      oggPage(0, 7, 0, packet, packet),
      oggPage(0, 7, position, packet, packet),
      oggPage(4, 7, 88_200, packet),
    ]);
    expect(factsOf(file)).toEqual(isKnown ? { durationMs: 2000 } : {});
  },
);
