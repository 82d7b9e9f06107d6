import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";
import { isDurationMs, isSide } from "../../../../src/domain/size.ts";
import type { PlannedFacts } from "../../../../src/media/formats/plan.ts";
import { sniff } from "../../../../src/media/formats/sniff.ts";
import { reader as dolby } from "../../../../src/media/worker/readers/dolby.ts";
import { cpuMs } from "../../../support/cpu.ts";
import { ffmpeg } from "../../../support/decoder.ts";
import { latin1 } from "../../../support/heads.ts";
import { mediaFiles, runFfmpeg } from "../../../support/media-files.ts";
import { mutantOf } from "../../../support/mutations.ts";
import { headerNames, planNamed } from "../../../support/plans.ts";
import { followFacts, followPreview, withDigests } from "../../../support/read-plan.ts";
import { requires } from "../../../support/require.ts";
import * as streams from "../../../support/stream-heads.ts";
import { worstCases } from "../../../support/worst-cases.ts";

const names = headerNames;
const id3 = latin1("ID3\x04\0\0\0\0\0\x0a");
const { cafChunk } = streams;
const pcm = streams.cafStart("lpcm", 8000, { bytes: 4, frames: 1 });
const opus = streams.cafStart("opus", 48_000, { bytes: 0, frames: 960 });

const flv = (values: Readonly<Record<string, number>>) =>
  Buffer.concat([
    streams.flvHeader,
    streams.flvTag(18, streams.onMetaData(values)),
    streams.flvTag(9, Buffer.alloc(50_000)),
  ]);

/** File properties of a live stream: the flag says that its times are not valid. */
function broadcast(): Buffer {
  const properties = streams.asfFile(9000);
  properties[88] = 1;
  return properties;
}

test.each<[string, Buffer, PlannedFacts]>([
  ["a CAF of equal packets", Buffer.concat([pcm, cafChunk("data", Buffer.alloc(4 + 4 * 4000))]), { durationMs: 500 }],
  ["a CAF whose data have no length yet", Buffer.concat([pcm, cafChunk("data", Buffer.alloc(4 + 4 * 4000), -1)]), { durationMs: 500 }],
  ["a CAF whose packet table is behind the data", Buffer.concat([opus, cafChunk("data", Buffer.alloc(900_000)), streams.cafPacketTable(50, 47_688)]), { durationMs: 994 }],
  ["a CAF whose packet table has packets alone", Buffer.concat([opus, streams.cafPacketTable(50, 0)]), { durationMs: 1000 }],
  ["a CAF without a packet table", Buffer.concat([opus, cafChunk("data", Buffer.alloc(100), -1)]), {}],
  ["an AU", Buffer.concat([streams.auHeader(16_000), Buffer.alloc(16_000)]), { durationMs: 500 }],
  ["an AU that is cut", Buffer.concat([streams.auHeader(16_000), Buffer.alloc(8000)]), { durationMs: 250 }],
  ["an AU without a length", Buffer.concat([streams.auHeader(0xffffffff), Buffer.alloc(8000)]), { durationMs: 250 }],
  ["an AU of a rare encoding", Buffer.concat([streams.auHeader(8000, 23), Buffer.alloc(8000)]), {}],
  ["a WavPack", streams.wavpackBlock(66_150), { durationMs: 1500 }],
  ["a WavPack without a total", streams.wavpackBlock(0xffffffff), {}],
  ["a WavPack of a rate of its own", streams.wavpackBlock(66_150, 15 << 23), {}],
  ["a WavPack of DSD", streams.wavpackBlock(66_150, ((9 << 23) | (1 << 31)) >>> 0), {}],
  ["Monkey's Audio", streams.monkeysAudio(3, 36_864), { durationMs: 4180 }],
  ["Monkey's Audio behind a tag", Buffer.concat([id3, Buffer.alloc(10), streams.monkeysAudio(3, 36_864)]), { durationMs: 4180 }],
  ["Monkey's Audio 3.95", streams.oldMonkeysAudio(3950, 2000, 2, 0), { durationMs: 6687 }],
  ["Monkey's Audio 3.80, extra high", streams.oldMonkeysAudio(3800, 4000, 2, 0), { durationMs: 1672 }],
  ["Monkey's Audio 3.80, normal", streams.oldMonkeysAudio(3800, 2000, 2, 0), { durationMs: 209 }],
  ["Monkey's Audio without frames", streams.monkeysAudio(0, 9), {}],
  ["Musepack 7 of a short last frame", streams.musepack7(100, 300), { durationMs: 2593 }],
  ["Musepack 8", streams.musepack8(96_000, 0), { durationMs: 2000 }],
  ["Musepack 8 that begins with silence", streams.musepack8(96_000, 48_000), { durationMs: 1000 }],
  ["Musepack 8 with another packet first", Buffer.concat([latin1("MPCKRG\x0c\x01\0\0\0\0\0\0\0\0"), streams.musepack8(96_000, 0).subarray(4)]), { durationMs: 2000 }],
  ["True Audio", streams.trueAudio(66_150), { durationMs: 1500 }],
  ["True Audio behind a tag", Buffer.concat([id3, Buffer.alloc(10), streams.trueAudio(66_150)]), { durationMs: 1500 }],
  ["Windows Media with a preroll", streams.asfHeader(streams.asfFile(1500, 3000), streams.asfStream("audio")), { durationMs: 1500 }],
  ["Windows Media of a live stream", streams.asfHeader(broadcast(), streams.asfStream("video", 320, 180)), { width: 320, height: 180 }],
  ["Windows Media with a cover before its streams", streams.asfHeader(streams.asfObject("00".repeat(16), Buffer.alloc(300_000)), streams.asfStream("video", 320, 180), streams.asfFile(1500)), { width: 320, height: 180, durationMs: 1500 }],
  ["a WAV whose form ends before its samples", streams.wave("RIFF", 4000, 9000, 12_000), { durationMs: 500 }],
  ["a WAV of 64 bits whose form ends before its samples", streams.wave("RF64", 4000, 9000, 12_000), { durationMs: 500 }],
  ["a WAV of 64 bits without the length of its form", streams.wave("RF64", null, 4000, 12_000), { durationMs: 500 }],
  ["a WAV of 64 bits without the lengths of its form and its samples", streams.wave("RF64", null, 0, 12_000), { durationMs: 1500 }],
  ["Flash video", flv({ duration: 2.5, width: 320, height: 180 }), { width: 320, height: 180, durationMs: 2500 }],
  ["Flash video with a duration of zero", flv({ duration: 0, width: 320, height: 180 }), { width: 320, height: 180 }],
  ["Flash video with sizes that no video has", flv({ width: 1e300, height: -1, duration: 1e300 }), {}],
  ["Flash video without metadata", Buffer.concat([streams.flvHeader, streams.flvTag(9, Buffer.alloc(99))]), {}],
  ["a program stream of MPEG-2, 16 to 9", streams.programStream(streams.mpeg2Pack, 3, true), { width: 1024, height: 576 }],
  ["a program stream of MPEG-1", streams.programStream(streams.mpeg1Pack, 3, false), { width: 720, height: 576 }],
  ["a program stream of another codec", Buffer.concat([streams.mpeg2Pack, Buffer.alloc(100_000, 1)]), {}],
])("the header of %s has its size and duration, with and without a declared length", (_, file, facts) => {
  const plan = sniff(file)!.plan;
  for (const isChunked of [false, true]) {
    const { steps } = followFacts(plan, file, { head: 500, isChunked });
    expect(steps.at(-1)).toEqual({ known: facts, measurable: null, need: null });
  }
}); // prettier-ignore

test("a CAF voice message of a megabyte is read no further than its first bytes and its packet table", () => {
  const file = Buffer.concat([opus, cafChunk("data", Buffer.alloc(1e6)), streams.cafPacketTable(50, 47_688)]);
  const { bytesRead, steps } = followFacts(planNamed("caf"), file, { head: 12 * 1024 });
  expect(steps.at(-1)!.known).toEqual({ durationMs: 994 });
  expect(bytesRead).toBeLessThan(16 * 1024);
});

const heads = [0, 1, 4, 8, 13, 30, 100, 333, 1000, 4000, 16_000, 40_000];

describe.each(names)("the read plan of %s", (name) => {
  const { make, needsFfmpeg } = mediaFiles[name];
  const plan = planNamed(name);

  test.skipIf(needsFfmpeg && requires("ffmpeg", ffmpeg !== null))(
    "comes to the same facts and the same excerpt from any number of first bytes",
    async () => {
      const file = await make();
      const facts = followFacts(plan, file, { head: file.length }).steps.at(-1)!;
      const preview = followPreview(plan, file, { head: file.length }).steps.at(-1)!;
      for (const head of heads) {
        for (const isChunked of [false, true]) {
          const { steps } = followFacts(plan, file, { head, isChunked });
          for (const { known } of steps) expect(facts.known).toMatchObject(known);
          expect(withDigests(steps.at(-1))).toEqual(withDigests(facts));
          expect(withDigests(followPreview(plan, file, { head, isChunked }).steps.at(-1))).toEqual(
            withDigests(preview),
          );
        }
      }
    },
  );

  test.skipIf(needsFfmpeg && requires("ffmpeg", ffmpeg !== null))(
    "comes to an end, and returns no value out of range, for 500 mutants of a file",
    async () => {
      const file = { name, bytes: Buffer.from(await make()).subarray(0, 40_000) };
      for (let number = 0; number < 500; number += 1) {
        const { bytes } = mutantOf([file], number);
        const { known, need } = followFacts(plan, bytes, { head: 100 }).steps.at(-1)!;
        const { width = 1, height = 1, durationMs = 0 } = known;
        expect({ need, isValid: isSide(width) && isSide(height) && isDurationMs(durationMs) }).toEqual({ need: null, isValid: true }); // prettier-ignore
        expect(followPreview(plan, bytes, { head: 100 }).steps.at(-1)!.need).toBeNull();
      }
    },
  );

  test("needs little time for the worst cases of its format", () => {
    for (const [what, file] of Object.entries(worstCases[name](256 * 1024))) {
      const received = { prefix: file, parts: [], length: file.length };
      expect.soft(cpuMs(() => plan.facts(received), 3), what).toBeLessThan(25); // prettier-ignore
      expect.soft(followFacts(plan, file, { head: 1000 }).steps.at(-1)!.need, what).toBeNull();
      expect.soft(followPreview(plan, file, { head: 1000 }).steps.at(-1)!.need, what).toBeNull();
    }
  });
});

test("the duration of AC-3 is that of its frames, up to the first damaged one", async () => {
  const damaged = Buffer.concat([streams.ac3Frames(10), Buffer.alloc(768), streams.ac3Frames(10)]);
  expect(await dolby.measure!(damaged, true)).toMatchObject({ durationMs: 320 });
});

test("frames of E-AC-3 with more channels of the frame before do not last longer", async () => {
  expect(await dolby.measure!(streams.eac3Frames(10), true)).toMatchObject({ durationMs: 320 });
});

const ffprobe = existsSync("/usr/bin/ffprobe") ? "/usr/bin/ffprobe" : null;

function probe(file: Buffer): { seconds: number; width: number | null } {
  const folder = mkdtempSync(join(tmpdir(), "media-oracle-"));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  writeFileSync(join(folder, "file"), file);
  const entries = ["-v", "error", "-of", "json", "-show_entries", "format=duration:stream=width", join(folder, "file")];
  const { format, streams } = JSON.parse(spawnSync(ffprobe!, entries, { encoding: "utf8" }).stdout) as {
    format: { duration: string };
    streams: { width?: number }[];
  };
  return { seconds: Number(format.duration), width: streams.find(({ width }) => width)?.width ?? null };
}

const tone = ["-f", "lavfi", "-i", "sine=d=3.21:r=44100"];
const film = ["-f", "lavfi", "-i", "testsrc=s=320x180:d=3.2:r=25"];

describe.skipIf(requires("ffmpeg", ffmpeg !== null && ffprobe !== null))(
  "the header of a file that ffmpeg wrote",
  () => {
    test.each<[string, readonly string[]]>([
      ["a.caf", tone],
      ["alac.caf", [...tone, "-c:a", "alac"]],
      ["opus.caf", [...tone, "-c:a", "libopus", "-ar", "48000"]],
      ["adpcm.caf", [...tone, "-c:a", "adpcm_ima_qt"]],
      ["a.au", tone],
      ["mulaw.au", [...tone, "-c:a", "pcm_mulaw", "-ac", "2"]],
      ["double.au", [...tone, "-c:a", "pcm_f64be"]],
      ["a.wv", [...tone, "-ar", "96000"]],
      ["a.tta", tone],
      ["a.wma", tone],
      ["a.wmv", [...film, ...tone]],
      ["a.flv", [...film, ...tone]],
      ["index.flv", [...film, "-flvflags", "+add_keyframe_index"]],
    ])("%s has the duration and the width of ffprobe", (name, args) => {
      const file = runFfmpeg(name, args);
      const { known } = followFacts(sniff(file)!.plan, file).steps.at(-1)!;
      const { seconds, width } = probe(file);
      expect(known.width ?? null).toBe(width);
      expect(Math.abs(known.durationMs! / 1000 - seconds)).toBeLessThan(0.05);
    });
  },
);
