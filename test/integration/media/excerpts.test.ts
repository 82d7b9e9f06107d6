import sharp from "sharp";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Decoder } from "../../../src/media/decode/decoder.ts";
import { decodableFormats, type Format } from "../../../src/media/formats/index.ts";
import { sniff } from "../../../src/media/formats/sniff.ts";
import { corpusBytes, corpusRows, corpus } from "../../support/corpus.ts";
import { ffmpeg, formatNamed, startDecoder } from "../../support/decoder.ts";
import { blurhashError, photo } from "../../support/images.ts";
import { heicOf, hevc, mediaFiles, runFfmpeg } from "../../support/media-files.ts";
import { heifOf, planFiles, reference, storedSize } from "../../support/plan-files.ts";
import { pictureNames } from "../../support/plans.ts";
import { follow } from "../../support/read-plans.ts";
import { describeWith, requires } from "../../support/require.ts";

let decoder: Decoder;
let end = () => Promise.resolve();
beforeAll(async () => {
  decoder = await startDecoder((close) => (end = close), { formats: decodableFormats });
});
afterAll(() => end());

/** The hashes of the last excerpt of a file, and of all of it. A decoder may change its input. */
async function hashesOf(file: Buffer, format: Format) {
  const { excerpt } = follow(format.plan.preview, file).at(-1)!.step;
  const whole = await decoder.describe(Buffer.from(file), format);
  // The whole file as its own excerpt needs no second look.
  const part = file.equals(excerpt!.bytes) ? whole : await decoder.describe(Buffer.from(excerpt!.bytes), format);
  const hashes = ({ blurhash, thumbhash, warning }: typeof part) => ({ blurhash, thumbhash, warning });
  return { accuracy: excerpt!.accuracy, part: hashes(part), whole: hashes(whole), picture: whole };
}

/** The facts that a plan knows, or that a worker measures for it. */
async function factsOf(file: Buffer, format: Format) {
  const { known, measurable } = follow(format.plan.facts, file).at(-1)!.step;
  const measured = measurable && (await decoder.measure(Buffer.from(measurable), format));
  const { width = null, height = null, animated = null } = { ...measured, ...known };
  return { width, height, animated };
}

const ofTable = pictureNames
  .filter((name) => mediaFiles[name].hash !== "none" && (ffmpeg !== null || !mediaFiles[name].needsFfmpeg))
  .map((name) => [`the ${name} of the table`, name, async () => Buffer.from(await mediaFiles[name].make())] as const);
const made = Object.entries(planFiles).map(([title, [name, make]]) => [title, name, make] as const);

describe.each([...ofTable, ...made])("the plan of %s", (_, name, make) => {
  test("leads to the hashes and the facts that the whole file has", async () => {
    const [file, format] = [await make(), formatNamed(name)];
    const { accuracy, part, whole, picture } = await hashesOf(file, format);
    expect(accuracy).toBe("exact");
    expect(part).toEqual(whole);
    expect(whole.blurhash).not.toBeNull();
    const { width, height, animated } = picture;
    expect(await factsOf(file, format)).toEqual({ width, height, animated });
  });
});

/** A grid of two tiles with a thumbnail behind them, all of HEVC frames of the test pattern. */
function tiledHeic({ thumbnailSide }: { readonly thumbnailSide: number }): Buffer {
  const frame = (width: number, height: number) => {
    const pattern = ["-f", "lavfi", "-i", `testsrc=s=${width}x${height}:d=0.04:r=25`];
    const still = heicOf(runFfmpeg("a.mp4", [...pattern, ...hevc, "yuv420p"]), { width, height, quarters: 0 }, [
      "heic",
    ]);
    const [settings, data] = [still.indexOf("hvcC") - 4, still.indexOf("mdat") + 4];
    return {
      settings: still.subarray(settings, settings + still.readUInt32BE(settings)),
      data: still.subarray(data),
    };
  };
  const [tile, thumbnail] = [frame(320, 480), frame(thumbnailSide, (thumbnailSide * 3) / 4)];
  const grid = Buffer.from([0, 0, 0, 1, 640 >> 8, 640 & 255, 480 >> 8, 480 & 255]);
  return heifOf({
    brands: ["heic", "mif1"],
    primary: 1,
    properties: [
      storedSize(640, 480),
      storedSize(320, 480),
      tile.settings,
      storedSize(thumbnailSide, (thumbnailSide * 3) / 4),
      thumbnail.settings,
    ],
    references: [reference("dimg", 1, 2, 3), reference("thmb", 4, 1), reference("cdsc", 5, 1)],
    items: [
      { id: 5, type: "Exif", data: Buffer.alloc(60_000, 5), properties: [] },
      { id: 1, type: "grid", data: grid, properties: [1] },
      { id: 2, type: "hvc1", data: tile.data, properties: [2, 3] },
      { id: 3, type: "hvc1", data: tile.data, properties: [2, 3] },
      { id: 4, type: "hvc1", data: thumbnail.data, properties: [4, 5] },
    ],
  });
}

test.skipIf(requires("ffmpeg", ffmpeg !== null)).each([
  ["its thumbnail", 320],
  ["its tiles, if the thumbnail is too small", 80],
])("the excerpt of a HEIC of tiles has the hash of the whole file: %s", async (_, thumbnailSide) => {
  const { accuracy, part, whole } = await hashesOf(tiledHeic({ thumbnailSide }), formatNamed("heic"));
  expect(accuracy).toBe("exact");
  expect(part).toEqual(whole);
  expect(whole.blurhash).not.toBeNull();
});

/** Renames a movie, in place, to an image sequence without a still picture. */
function toSequence(file: Buffer, brands: readonly [string, string]): Buffer {
  file.write(brands[0], 8, "latin1"); // the major brand, a version, the first compatible one
  file.write(brands[1], 16, "latin1");
  return file;
}

function sequenceOf(brands: readonly [string, string], codec: readonly string[]): Buffer {
  const pattern = ["-f", "lavfi", "-i", "testsrc=s=160x96:d=0.08:r=25"]; // two frames
  return toSequence(runFfmpeg("a.mp4", [...pattern, ...codec]), brands);
}

const av1 = ["-c:v", "libaom-av1", "-cpu-used", "8", "-pix_fmt", "yuv420p"];

test.skipIf(requires("ffmpeg", ffmpeg !== null)).each([
  ["avif", ["avis", "msf1"], av1],
  ["heic", ["hevc", "msf1"], [...hevc, "yuv420p", "-tag:v", "hvc1"]],
  ["heic", ["msf1", "hevc"], [...hevc, "yuv420p", "-movflags", "faststart"]],
] as const)(
  "a sequence (%s, %s) without a still picture has the size of its track and the hash of its first frame",
  async (name, brands, codec) => {
    const file = sequenceOf(brands, codec);
    const format = sniff(file)!;
    expect(format.name).toBe(name);
    const { accuracy, part, whole, picture } = await hashesOf(file, format);
    expect(accuracy).toBe("exact");
    expect(part).toEqual(whole);
    expect(whole).toMatchObject({ blurhash: expect.any(String) as string, warning: null });
    expect(picture).toMatchObject({ width: 160, height: 96, animated: true });
    expect(await factsOf(file, format)).toEqual({ width: 160, height: 96, animated: true });
  },
);

test.skipIf(requires("ffmpeg", ffmpeg !== null)).each([
  [0, [1, 0, 0, 1]],
  [90, [0, 1, -1, 0]],
  [180, [-1, 0, 0, -1]],
  [270, [0, -1, 1, 0]],
] as const)("a sequence that its track turns by %i degrees has an upright hash", async (degrees, [a, b, c, d]) => {
  const png = await photo(160, 96).png().toBuffer();
  const file = toSequence(
    runFfmpeg("a.mp4", ["-loop", "1", "-i", "a.png", "-frames:v", "2", ...av1], { "a.png": png }),
    ["avis", "msf1"],
  );
  const matrix = file.indexOf("tkhd") + 4 + 40; // ISO/IEC 14496-12, 8.3.2, version 0
  for (const [index, value] of [a, b, 0, c, d].entries()) file.writeInt32BE(value * 2 ** 16, matrix + 4 * index);
  const { part, whole, picture } = await hashesOf(file, sniff(file)!);
  expect(part).toEqual(whole);
  const upright = await sharp(png).rotate(degrees).png().toBuffer({ resolveWithObject: true });
  const expected = await decoder.describe(upright.data, formatNamed("png"));
  expect(picture).toMatchObject({ width: upright.info.width, height: upright.info.height });
  expect(blurhashError(whole.blurhash!, expected.blurhash!)).toBeLessThan(4);
});

// Truncated or false in a part that no picture needs: an excerpt can be decoded, the whole file cannot.
const lenient = ["hostile/webp-riff-size-lie.webp"];

const rows = corpusRows()
  .map((row) => ({ ...row, format: sniff(corpusBytes(row)) }))
  .flatMap(({ format, ...row }) =>
    format?.decoding && pictureNames.some((name) => name === format.name) ? [{ ...row, format }] : [],
  );

describeWith(corpus, "the excerpts of real files", () => {
  test.each(rows)("the excerpt of $file has the hash of the whole file", async ({ file, format, ...row }) => {
    const { accuracy, part, whole, picture } = await hashesOf(corpusBytes({ file, ...row }), format);
    expect(accuracy).toBe("exact");
    if (!lenient.includes(file)) expect(part).toEqual(whole);
    if (whole.blurhash === null) return;
    const { width, height, animated } = picture;
    expect(await factsOf(corpusBytes({ file, ...row }), format)).toEqual({ width, height, animated });
  });
});
