import { ALL_FORMATS, BufferSource, Input } from "mediabunny";
import { describe, expect, test } from "vitest";
import type { PlannedFacts, ReadPlan } from "../../../../src/media/formats/plan.ts";
import { mp3 } from "../../../../src/media/formats/mp3.ts";
import { mp4 } from "../../../../src/media/formats/mp4.ts";
import { sniff } from "../../../../src/media/formats/sniff.ts";
import { ffmpeg } from "../../../support/decoder.ts";
import { mediaFiles } from "../../../support/media-files.ts";
import { headerNames, planNamed, trackNames } from "../../../support/plans.ts";
import { followFacts, followPreview, withDigests } from "../../../support/read-plan.ts";
import { requires } from "../../../support/require.ts";
import { trackFiles } from "../../../support/tracks.ts";

const planOf = (file: Uint8Array): ReadPlan => sniff(file)!.plan;

const heads = [0, 1, 4, 8, 13, 30, 100, 333, 1000, 2000, 4000, 8000, 16_000, 40_000, 100_000];

/** Whether each fact that is known early has its final value. */
function agree(early: PlannedFacts, final: PlannedFacts): boolean {
  return Object.entries(early).every(([key, value]) => final[key as keyof PlannedFacts] === value);
}

// The others are in header-facts.test.ts.
const names = trackNames.filter((name) => !(headerNames as readonly string[]).includes(name));

describe.skipIf(requires("ffmpeg", ffmpeg !== null))("a read plan", () => {
  test.for(names)("comes to the same facts of %s from any number of first bytes", async (name) => {
    const file = await mediaFiles[name].make();
    const plan = planNamed(name);
    const final = followFacts(plan, file, { head: file.length }).steps.at(-1)!;
    for (const head of heads) {
      const { steps } = followFacts(plan, file, { head });
      for (const { known } of steps) expect(agree(known, final.known)).toBe(true);
      expect(withDigests(steps.at(-1))).toEqual(withDigests(final));
      for (const { known } of followFacts(plan, file, { head, isChunked: true }).steps) {
        expect(agree(known, final.known)).toBe(true);
      }
      expect(withDigests(followFacts(plan, file, { head, isChunked: true }).steps.at(-1))).toEqual(withDigests(final));
    }
  });

  test.for(names)("comes to the same excerpt of %s from any number of first bytes", async (name) => {
    const file = await mediaFiles[name].make();
    const plan = planNamed(name);
    const final = followPreview(plan, file, { head: file.length }).steps.at(-1)!;
    for (const head of heads) {
      for (const isChunked of [false, true]) {
        expect(withDigests(followPreview(plan, file, { head, isChunked }).steps.at(-1))).toEqual(withDigests(final));
      }
    }
  });

  test.for(names)("comes to an end of %s that is cut anywhere", async (name) => {
    const file = await mediaFiles[name].make();
    for (let at = 0; at < file.length; at += Math.max(1, Math.floor(file.length / 97))) {
      const cut = file.subarray(0, at);
      for (const head of [100, 64 * 1024]) {
        expect(followFacts(planNamed(name), cut, { head }).steps.at(-1)!.need).toBeNull();
        expect(followPreview(planNamed(name), cut, { head }).steps.at(-1)!.need).toBeNull();
      }
    }
  });
});

/** The duration from the packets of the whole file, by the library. */
async function computeMs(file: Uint8Array): Promise<number> {
  const input = new Input({ source: new BufferSource(file), formats: ALL_FORMATS });
  const seconds = (await input.computeDuration()) - Math.max(0, await input.getFirstTimestamp());
  return seconds * 1000;
}

/** Frames of MPEG 1 layer III, 128 kbit/s at 44.1 kHz: the first one has an encoder header. */
function songWith(mark: string, at: number, countAt: number): Buffer {
  const file = Buffer.alloc(500 * 417);
  for (let frame = 0; frame < file.length; frame += 417) file.set([0xff, 0xfb, 0x90, 0], frame);
  file.write(mark, at, "latin1");
  file.writeUInt32BE(1, at + 4); // Xing: a count follows
  file.writeUInt32BE(10_000, at + countAt);
  return file;
}

test.each([
  ["Xing", 36, 8],
  ["Info", 36, 8],
  ["VBRI", 36, 14],
])("a read plan takes the duration of an MP3 from the frame count of a %s header", (mark, at, countAt) => {
  const { steps } = followFacts(mp3.plan, songWith(mark, at, countAt), { head: 2000 });
  expect(steps).toEqual([{ known: { durationMs: Math.round((10_000 * 1152) / 44.1) }, measurable: null, need: null }]);
});

test("a read plan takes the length of a long tag from its header, and reads through it at once", () => {
  const tag = Buffer.concat([Buffer.from("ID3\x04\0\0\0\x3c\0\0APIC", "latin1"), Buffer.alloc(60 * 2 ** 14 - 4)]);
  const file = Buffer.concat([tag, songWith("Xing", 36, 8)]);
  const { needs, steps } = followPreview(mp3.plan, file);
  expect(needs).toEqual([{ prefix: tag.length + 16 * 1024 }]);
  expect(steps.at(-1)!.excerpt!.bytes).toEqual(file.subarray(0, tag.length + 16 * 1024));
});

describe.skipIf(requires("ffmpeg", ffmpeg !== null))("a read plan of a film", () => {
  test.for(["an MP4 with its header last", "a fragmented MP4 without an index", "a WebM without a duration"])(
    "has a close excerpt of its first two seconds, and an exact one of its first ten: %s of fourteen seconds",
    { timeout: 300_000 }, // to encode fourteen seconds
    (name) => {
      const file = trackFiles[name]!();
      const { steps, bytesRead } = followPreview(planOf(file), file);
      const close = steps.find(({ excerpt }) => excerpt)!.excerpt!;
      const exact = steps.at(-1)!.excerpt!;
      expect([close.accuracy, exact.accuracy]).toEqual(["close", "exact"]);
      const shares = [close.bytes.length, exact.bytes.length, bytesRead].map((bytes) => (14 * bytes) / file.length);
      const [closeSeconds = 0, exactSeconds = 0, readSeconds = 0] = shares; // the films have a constant bitrate, about
      expect(closeSeconds).toBeGreaterThan(1.5);
      expect(closeSeconds).toBeLessThan(3);
      expect(exactSeconds).toBeGreaterThan(9);
      expect(exactSeconds).toBeLessThan(11);
      expect(readSeconds).toBeLessThan(13); // with the first bytes, headers and what follows them
    },
  );

  test("asks for a range if the first sample lies far behind the header", { timeout: 60_000 }, () => {
    const file = trackFiles["an MP4 with its header first"]!();
    const media = file.indexOf("mdat") - 4;
    const gap = Buffer.alloc(20e6);
    gap.writeUInt32BE(gap.length);
    gap.write("free", 4, "latin1");
    const far = Buffer.concat([file.subarray(0, media), gap, file.subarray(media)]);
    for (let at = far.indexOf("stco"); at >= 0 && at < media; at = far.indexOf("stco", at + 4)) {
      for (let entry = 0; entry < far.readUInt32BE(at + 8); entry += 1) {
        const offsetAt = at + 12 + entry * 4;
        far.writeUInt32BE(far.readUInt32BE(offsetAt) + gap.length, offsetAt);
      }
    }
    const [from, to] = [followPreview(mp4.plan, far), followPreview(mp4.plan, file)];
    expect(from.needs[0]).toHaveProperty("from");
    expect(from.bytesRead).toBeLessThan(4 * 1024 ** 2);
    const mediaOf = (bytes: Uint8Array) => Buffer.from(bytes).subarray(Buffer.from(bytes).indexOf("mdat"));
    expect(mediaOf(from.steps.at(-1)!.excerpt!.bytes)).toEqual(mediaOf(to.steps.at(-1)!.excerpt!.bytes));
  });
});

describe.skipIf(requires("ffmpeg", ffmpeg !== null))("the duration that a read plan knows", () => {
  test.for([
    ["a WebM without a duration", 384],
    ["a WebM whose last cluster has no video", 384],
    ["a WebM of speech without a duration", 1024],
    ["an Ogg song in Vorbis", 128],
    ["an Ogg song in Opus", 128],
    ["an MP3 with a constant bitrate", 80],
    ["an MP3 with a constant bitrate and an old tag", 80],
    ["an MP3 with a variable bitrate", 64],
    ["a short MP3 without a count", 64],
    ["a FLAC with a cover", 64],
    ["a WAV", 64],
    ["a WAV of 64 bits", 64],
  ] as const)(
    "is that of all packets of %s, from at most %i KiB",
    { timeout: 60_000 },
    async ([name, maxKibibytes]) => {
      const file = trackFiles[name]!();
      const { steps, bytesRead } = followFacts(planOf(file), file);
      expect(Math.abs(steps.at(-1)!.known.durationMs! - (await computeMs(file)))).toBeLessThan(1);
      expect(bytesRead).toBeLessThanOrEqual(maxKibibytes * 1024);
    },
  );

  test.for([300, 3000])(
    "is that of all packets of a WebM whose last video frame is %i KiB before its last cluster",
    { timeout: 60_000 },
    async (kibibytes) => {
      const file = trackFiles["a WebM whose last cluster has no video"]!();
      const last = file.lastIndexOf(Buffer.of(0x1f, 0x43, 0xb6, 0x75));
      const gap = Buffer.alloc(kibibytes * 1024);
      gap.writeUInt8(0xec); // a Void element (RFC 8794 11.3.2), its size in four bytes
      gap.writeUInt32BE(0x10000000 + gap.length - 5, 1);
      const wide = Buffer.concat([file.subarray(0, last), gap, file.subarray(last)]);
      expect(followFacts(planOf(wide), wide).steps.at(-1)!.known.durationMs).toBe(Math.round(await computeMs(file)));
    },
  );

  test("is found in a short tail of a WebM whose video ends long before its audio", { timeout: 60_000 }, () => {
    const file = trackFiles["a WebM whose video ends long before its audio"]!();
    const { steps, bytesRead } = followFacts(planOf(file), file);
    expect(steps.at(-1)!.known.durationMs).toBeGreaterThan(39_900);
    expect(bytesRead).toBeLessThanOrEqual(384 * 1024);
  });

  test(
    "is that of all packets of a fragmented film with an index, but for the end of its sound",
    { timeout: 60_000 },
    async () => {
      const file = trackFiles["a fragmented MP4 with an index"]!();
      const { steps, bytesRead } = followFacts(planOf(file), file);
      expect(Math.abs(steps.at(-1)!.known.durationMs! - (await computeMs(file)))).toBeLessThan(50);
      expect(bytesRead).toBeLessThan(0.1 * file.length);
    },
  );

  test(
    "is not guessed for an MP3 with a variable bitrate and without a count of its frames",
    { timeout: 60_000 },
    () => {
      const file = trackFiles["an MP3 with a variable bitrate without a count"]!();
      const { steps, needs } = followFacts(planOf(file), file);
      expect({ known: steps.at(-1)!.known, last: needs.at(-1) }).toEqual({ known: {}, last: "whole" });
    },
  );

  test("is not guessed for an Ogg file of two songs", { timeout: 60_000 }, () => {
    const song = trackFiles["an Ogg song in Opus"]!();
    const file = Buffer.concat([song, trackFiles["an Ogg song in Vorbis"]!()]);
    const { steps, needs } = followFacts(planOf(file), file);
    expect({ known: steps.at(-1)!.known, last: needs.at(-1) }).toEqual({ known: {}, last: "whole" });
  });
});
