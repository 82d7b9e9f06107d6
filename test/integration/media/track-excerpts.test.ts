import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Decoder } from "../../../src/media/decode/decoder.ts";
import type { Format } from "../../../src/media/formats/index.ts";
import type { Excerpt, Need } from "../../../src/media/formats/plan.ts";
import { sniff } from "../../../src/media/formats/sniff.ts";
import { corpusBytes, corpusRows, corpus } from "../../support/corpus.ts";
import { ffmpeg, startDecoder } from "../../support/decoder.ts";
import { mediaFiles } from "../../support/media-files.ts";
import { trackNames } from "../../support/plans.ts";
import { followFacts, followPreview } from "../../support/read-plan.ts";
import { requires } from "../../support/require.ts";
import { trackFiles } from "../../support/tracks.ts";

let decoder: Decoder;
let end = () => Promise.resolve();
beforeAll(async () => {
  decoder = await startDecoder((close) => (end = close));
});
afterAll(() => end());

/** Formats whose frames must be counted: the pipeline describes the whole file. */
const isCounted = ({ name }: Format, needs: readonly Need[]) =>
  ["aac", "amr", "ac3", "eac3", "mpeg-ts"].includes(name) || needs.includes("whole");

/** The metadata of a file from the parts that its plan needs, and from the whole file. */
async function compare(file: Uint8Array) {
  const format = sniff(file)!;
  const { plan } = format;
  const facts = followFacts(plan, file);
  const { known, measurable } = facts.steps.at(-1)!;
  const { width, height, animated, durationMs, blurhash } = await decoder.describe(file, format);
  const measured = measurable && (await decoder.measure(measurable, format));
  const early = {
    width: known.width ?? measured?.width ?? null,
    height: known.height ?? measured?.height ?? null,
    animated: known.animated ?? measured?.animated ?? null,
    durationMs: known.durationMs ?? measured?.durationMs ?? (isCounted(format, facts.needs) ? durationMs : null),
  };
  const { steps } = followPreview(plan, file);
  const hashOf = async (excerpt: Excerpt | null | undefined) =>
    excerpt ? (await decoder.describe(excerpt.bytes, format)).blurhash : null;
  return {
    early: { ...early, blurhash: await hashOf(steps.at(-1)?.excerpt) },
    late: { width, height, animated, durationMs, blurhash },
    firstHash: () => hashOf(steps.find(({ excerpt }) => excerpt)?.excerpt),
  };
}

describe.skipIf(requires("ffmpeg", ffmpeg !== null))("the parts of a file that its read plan needs", () => {
  test.for(Object.entries(trackFiles))("have the same facts and the same hash as %s", async ([, make]) => {
    const { early, late } = await compare(make());
    expect(early).toEqual(late);
  });

  test.for([
    "an MP4 with its header last",
    "a fragmented MP4 with an index",
    "a WebM without a duration",
    "an Ogg film",
  ])("have the hash of the whole file after two seconds of %s", async (name) => {
    const { firstHash, late } = await compare(trackFiles[name]!());
    expect(await firstHash()).toBe(late.blurhash);
  });

  test("have a hash of a film in MPEG-4 whose header is behind the media", async () => {
    const { early, late } = await compare(trackFiles["a 3GP film in MPEG-4"]!());
    expect(late.blurhash).toMatch(/^.{28}$/);
    expect(early.blurhash).toBe(late.blurhash);
  });

  test("have the hash of the first visible frame of a film with a black beginning", async () => {
    const file = trackFiles["an MP4 with a black beginning"]!();
    const { early, late, firstHash } = await compare(file);
    expect(early.blurhash).toBe(late.blurhash);
    expect(await firstHash()).not.toBe(late.blurhash); // two seconds of it are black
  });

  test.for(trackNames)("have the same facts and the same hash as a small file of the format %s", async (name) => {
    const { early, late } = await compare(await mediaFiles[name].make());
    expect(early).toEqual(late);
  });
});

test.skipIf(requires(corpus.name, corpus.isPresent) || requires("ffmpeg", ffmpeg !== null))(
  "the parts that read plans need have the same facts and the same hash as the files of the corpus",
  async () => {
    for (const row of corpusRows()) {
      const file = corpusBytes(row);
      const format = sniff(file);
      if (!format || !trackNames.some((name) => name === format.name)) continue;
      const { early, late } = await compare(file);
      expect.soft(early, row.file).toEqual(late);
    }
  },
);
