import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Decoder } from "../../../src/media/decode/decoder.ts";
import { sniff } from "../../../src/media/formats/sniff.ts";
import { ffmpeg, startDecoder } from "../../support/decoder.ts";
import { runFfmpeg } from "../../support/media-files.ts";
import { followFacts, followPreview } from "../../support/read-plan.ts";
import { requires } from "../../support/require.ts";

const maxExcerptBytes = 4 * 1024 ** 2;
const size = { width: 320, height: 180 };
// Noise does not compress: four seconds are more than an excerpt.
const noise = ["-f", "lavfi", "-i", "nullsrc=s=320x180:d=4:r=25,geq=random(1)*255:128:128"];
const film = ["-f", "lavfi", "-i", "testsrc=s=320x180:d=1:r=25"];
const h264 = ["-c:v", "libx264", "-pix_fmt", "yuv420p", "-preset", "ultrafast"];

describe.skipIf(requires("ffmpeg", ffmpeg !== null))("the poster of a stream", () => {
  let decoder: Decoder;
  let end = () => Promise.resolve();
  beforeAll(async () => {
    decoder = await startDecoder((close) => (end = close));
  });
  afterAll(() => end());

  test.each<[string, readonly string[]]>([
    ["a.ts", [...h264, "-qp", "4"]],
    ["a.m2ts", [...h264, "-qp", "4"]],
    ["a.flv", [...h264, "-qp", "4"]],
    ["a.wmv", ["-q:v", "1"]],
    ["a.mpg", ["-q:v", "1", "-b:v", "40M", "-maxrate", "40M", "-bufsize", "4M"]],
    ["a.vob", ["-q:v", "1", "-b:v", "40M", "-maxrate", "40M", "-bufsize", "4M"]],
    ["a.m2v", ["-q:v", "1"]],
  ])("a large %s has the hash and the size of the whole file from its first 4 MiB", async (name, args) => {
    const file = runFfmpeg(name, [...noise, ...args]);
    expect(file.length).toBeGreaterThan(maxExcerptBytes);
    const format = sniff(file)!;
    const whole = await decoder.describe(file, format);
    expect(whole).toMatchObject({ ...size, warning: null });
    expect(whole.blurhash).not.toBeNull();
    const { excerpt, need } = followPreview(format.plan, file).steps.at(-1)!;
    expect(need).toBeNull();
    expect(excerpt!.bytes.length).toBe(maxExcerptBytes);
    expect(await decoder.describe(excerpt!.bytes, format)).toMatchObject({ ...size, blurhash: whole.blurhash });
  });

  test("the size of a large transport stream is read from its first 256 KiB", async () => {
    const file = runFfmpeg("a.ts", [...noise, ...h264, "-qp", "4"]);
    const format = sniff(file)!;
    const { steps } = followFacts(format.plan, file);
    const { measurable } = steps.find((step) => step.measurable !== null)!;
    expect(measurable!.length).toBe(256 * 1024);
    expect(await decoder.measure(measurable!, format)).toMatchObject(size);
  });

  test.each<[string, readonly string[]]>([
    ["a transport stream of MPEG-2 video", ["-f", "mpegts", "-c:v", "mpeg2video"]],
    ["a program stream of H.264", ["-f", "vob", ...h264]],
  ])("%s, whose codec has no header that is read, has neither a hash nor a warning", async (_, args) => {
    const file = runFfmpeg("a.bin", [...film, "-f", "lavfi", "-i", "sine=d=1", ...args]);
    expect(await decoder.describe(file, sniff(file)!)).toMatchObject({ width: null, blurhash: null, warning: null });
  });

  test.each(["a.flv", "a.wmv", "a.ts", "a.vob"])("without ffmpeg, %s has only no hash", async (name) => {
    const ends: (() => Promise<void>)[] = [];
    const plain = await startDecoder((close) => ends.push(close), { ffmpeg: null });
    const file = runFfmpeg(name, [...film, ...(name === "a.ts" ? h264 : [])]);
    expect(await plain.describe(file, sniff(file)!)).toMatchObject({ ...size, blurhash: null, warning: null });
    for (const close of ends) await close();
  });
});
