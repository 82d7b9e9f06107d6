import { describe, expect, test } from "vitest";
import type { MeasuredName } from "../../../../src/media/formats/index.ts";
import { corpus } from "../../../support/corpus.ts";
import { cpuMs } from "../../../support/cpu.ts";
import { ffmpeg } from "../../../support/decoder.ts";
import { box, fileType, latin1 } from "../../../support/heads.ts";
import { mutantOf, seedFiles } from "../../../support/mutations.ts";
import { planNamed, trackNames } from "../../../support/plans.ts";
import { followFacts, followPreview } from "../../../support/read-plan.ts";
import { requires } from "../../../support/require.ts";
import { trackFiles } from "../../../support/tracks.ts";
import { uint, worstCases } from "../../../support/worst-cases.ts";

const plans = [...new Set(trackNames.map(planNamed))];
// Plans run in the service's own process: a call blocks the event loop for all callers.
const maxCallMs = 25;

function costMs(name: MeasuredName, file: Uint8Array): number {
  const received = { prefix: file, parts: [], length: file.length };
  return Math.max(
    cpuMs(() => planNamed(name).facts(received), 3),
    cpuMs(() => planNamed(name).preview(received), 3),
  );
}

const full = Buffer.alloc(4);

/** A film with a sample table of these boxes. */
function film(table: Readonly<Record<"stts" | "stsc" | "stsz" | "stco", Buffer>>): Buffer {
  const entries = Object.entries(table).map(([type, content]) => box(type, full, content));
  const media = box(
    "mdia",
    box("mdhd", Buffer.alloc(24, 1)),
    box("hdlr", full, full, "vide"),
    box("minf", box("stbl", ...entries)),
  );
  return Buffer.concat([fileType("isom"), box("moov", box("trak", media)), box("mdat", Buffer.alloc(1000))]);
}

const many = uint(4, 0xffffffff);
const words = (count: number, value: number) => Buffer.alloc(4 * count, uint(4, value));
const element = (id: string, content: Buffer) =>
  Buffer.concat([latin1(id), Buffer.from([0x08]), uint(4, content.length), content]);
const recording = (content: Buffer) =>
  Buffer.concat([
    element("\x1a\x45\xdf\xa3", latin1("\x42\x82\x84webm")),
    latin1("\x18\x53\x80\x67\x01\xff\xff\xff\xff\xff\xff\xff"),
    element("\x16\x54\xae\x6b", element("\xae", latin1("\xd7\x81\x01\x83\x81\x01"))),
    content,
  ]);

const films: Readonly<Record<string, readonly [MeasuredName, Buffer]>> = {
  "samples without size or end": [
    "mp4",
    film({
      stts: many,
      stsc: Buffer.concat([uint(4, 1), words(3, 1)]),
      stsz: Buffer.concat([uint(4, 0), many]),
      stco: many,
    }),
  ],
  "four billion samples of one byte in one chunk": [
    "mp4",
    film({
      stts: many,
      stsc: Buffer.concat([uint(4, 1), uint(4, 1), many, uint(4, 1)]),
      stsz: Buffer.concat([uint(4, 1), many]),
      stco: words(2, 1),
    }),
  ],
  "a million empty chunks": [
    "mp4",
    film({
      stts: many,
      stsc: Buffer.concat([uint(4, 1), words(1, 1), words(2, 0)]),
      stsz: Buffer.concat([uint(4, 1), many]),
      stco: words(1e6, 1e6),
    }),
  ],
  "a million groups of chunks": [
    "mp4",
    film({ stts: many, stsc: words(1e6, 1), stsz: Buffer.concat([uint(4, 1), many]), stco: words(1e6, 1) }),
  ],
  "clusters without blocks": ["webm", recording(Buffer.alloc(2e6, latin1("\x1f\x43\xb6\x75\x80")))],
  "clusters of time alone": ["webm", recording(Buffer.alloc(2e6, latin1("\x1f\x43\xb6\x75\x83\xe7\x81\x00")))],
  "blocks of one byte": [
    "webm",
    recording(Buffer.concat([latin1("\x1f\x43\xb6\x75\xff\xe7\x81\x00"), Buffer.alloc(2e6, latin1("\xa3\x81\x81"))])),
  ],
  "tiny pages": ["ogg", Buffer.alloc(2e6, Buffer.concat([latin1("OggS\0\x02"), Buffer.alloc(21)]))],
  "frames that begin nowhere": ["mp3", Buffer.alloc(2e6, 0xff)],
};

describe("the work of a read plan on hostile files is bounded", () => {
  test.for(Object.entries(films))("for %s", ([, [name, file]]) => {
    expect(costMs(name, file)).toBeLessThan(maxCallMs);
    expect(followFacts(planNamed(name), file).steps.at(-1)!.need).toBeNull();
    expect(followPreview(planNamed(name), file).steps.at(-1)!.need).toBeNull();
  });

  test.for(trackNames)("for the worst cases of %s", (name) => {
    for (const [what, file] of Object.entries(worstCases[name](256 * 1024))) {
      expect.soft(costMs(name, file), what).toBeLessThan(maxCallMs);
      expect.soft(followFacts(planNamed(name), file, { head: 1000 }).steps.at(-1)!.need, what).toBeNull();
      expect.soft(followPreview(planNamed(name), file, { head: 1000 }).steps.at(-1)!.need, what).toBeNull();
    }
  });
});

// The fragments of a whole file are counted once, at its end.
const maxWholeFileMs = 150;

describe.skipIf(requires("ffmpeg", ffmpeg !== null))("a call for a whole fragmented film", () => {
  const track = (...runs: readonly Buffer[]) =>
    box("moof", box("traf", box("tfhd", full, uint(4, 1)), box("tfdt", full, full), ...runs));
  const run = (samples: number, durations: number) =>
    box("trun", uint(4, 0x100), uint(4, samples), Buffer.alloc(4 * durations, 1));

  test.each([
    ["empty fragments", box("moof")],
    ["fragments without samples", track()],
    ["fragments of one sample", track(run(1, 1))],
    ["fragments of a million samples", track(run(1e6, 1e6))],
    ["fragments that declare four billion samples", track(run(0xffffffff, 1e6))],
  ])("takes bounded time if the rest of 64 MB are %s", (_, fragment) => {
    const film = trackFiles["a fragmented MP4 without an index"]!();
    const header = film.subarray(0, film.indexOf("moof") - 4);
    const file = Buffer.concat([header, Buffer.alloc(64_000_000, fragment)]);
    const received = { prefix: file, parts: [], length: file.length };
    const { known, need } = planNamed("isobmff").facts(received);
    expect([known.width, need]).toEqual([320, null]);
    expect(cpuMs(() => planNamed("isobmff").facts(received), 3)).toBeLessThan(maxWholeFileMs);
  });
});

test.skipIf(requires(corpus.name, corpus.isPresent))(
  "no read plan throws or goes on without end for 1,000 mutated files",
  { timeout: 120_000 },
  () => {
    const files = seedFiles();
    for (let number = 0; number < 1000; number += 1) {
      const { bytes } = mutantOf(files, number);
      for (const plan of plans) {
        for (const head of [1000, 64 * 1024]) {
          expect(followFacts(plan, bytes, { head }).steps.at(-1)!.need).toBeNull();
          expect(followPreview(plan, bytes, { head }).steps.at(-1)!.need).toBeNull();
        }
      }
    }
  },
);
