import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { decode } from "blurhash";
import { describe, expect, test } from "vitest";
import { type ClipToShow, createPosters } from "../../../src/media/decode/poster.ts";
import { sniff } from "../../../src/media/formats/sniff.ts";
import { ffmpeg, startDecoder } from "../../support/decoder.ts";
import { hasPrlimit } from "../../support/limits.ts";
import { bmp, mediaFiles, runFfmpeg } from "../../support/media-files.ts";
import { requires } from "../../support/require.ts";

const source = (what: string, seconds: number) => ["-f", "lavfi", "-i", `${what}:s=96x64:d=${seconds}:r=10`];
const asH264 = ["-c:v", "libx264", "-pix_fmt", "yuv420p"];

/** Returns the strongest channel at a point of a 16 x 16 grid. */
function strongest(blurhash: string, at: readonly [x: number, y: number]): "red" | "green" | "blue" | "none" {
  const pixels = decode(blurhash, 16, 16);
  const from = (at[1] * 16 + at[0]) * 4;
  const channels = [...pixels.subarray(from, from + 3)];
  const most = Math.max(...channels);
  return most < 40 ? "none" : (["red", "green", "blue"] as const)[channels.indexOf(most)]!;
}

describe.skipIf(requires("ffmpeg", ffmpeg !== null))("the hash of a video", () => {
  test("the hash of a video is that of its first non-black frame", async ({ onTestFinished }) => {
    const decoder = await startDecoder(onTestFinished);
    const join = ["-filter_complex", "[0][1]concat=n=2"];
    const video = runFfmpeg("a.mp4", [...source("color=black", 1), ...source("color=lime", 1), ...join, ...asH264]);
    const { blurhash, warning } = await decoder.describe(video, sniff(video)!);
    expect({ colour: strongest(blurhash!, [8, 8]), warning }).toEqual({ colour: "green", warning: null });
  });

  test("the hash of an all-black video is black", async ({ onTestFinished }) => {
    const decoder = await startDecoder(onTestFinished);
    const video = runFfmpeg("a.webm", [...source("color=black", 1), "-c:v", "libvpx"]);
    expect(strongest((await decoder.describe(video, sniff(video)!)).blurhash!, [8, 8])).toBe("none");
  });

  test("the hash of a video with a rotation is upright", async ({ onTestFinished }) => {
    const decoder = await startDecoder(onTestFinished);
    const halves = ["-vf", "drawbox=w=48:h=64:color=blue:t=fill"]; // left
    const flat = runFfmpeg("a.mp4", [...source("color=red", 1), ...halves, ...asH264]);
    const turned = runFfmpeg("b.mp4", [...["-i", "a.mp4", "-c", "copy", "-metadata:s:v:0", "rotate=270"]], {
      "a.mp4": flat,
    });
    const { width, height, blurhash } = await decoder.describe(turned, sniff(turned)!);
    expect({ width, height }).toEqual({ width: 64, height: 96 });
    expect([strongest(blurhash!, [8, 2]), strongest(blurhash!, [8, 13])]).toEqual(["blue", "red"]);
  });

  test("without ffmpeg only the hash of a video is missing", async ({ onTestFinished }) => {
    const decoder = await startDecoder(onTestFinished, { ffmpeg: null });
    const video = await mediaFiles.mp4.make();
    const described = await decoder.describe(video, sniff(video)!);
    expect(described).toMatchObject({ width: 96, height: 64, blurhash: null, warning: null });
    expect(described.durationMs).toBeGreaterThan(1900);
    expect(decoder.enabled).toMatchObject({ video: true, poster: false });
  });

  /** A program instead of ffmpeg. */
  function fakeFfmpeg(onFinished: (end: () => void) => void, command: string): string {
    const folder = mkdtempSync(join(tmpdir(), "media-oracle-"));
    onFinished(() => rmSync(folder, { recursive: true }));
    const program = join(folder, "ffmpeg");
    writeFileSync(program, `#!/bin/sh\n${command}\n`, { mode: 0o755 });
    return program;
  }

  const tooLate = { width: 96, blurhash: null, warning: "decode_timeout", decodeTimeoutCause: "poster" };

  test("the poster of a video is given up at the time limit if ffmpeg hangs", async ({ onTestFinished }) => {
    const program = fakeFfmpeg(onTestFinished, "exec sleep 600");
    const decoder = await startDecoder(onTestFinished, { ffmpeg: program, decodeTimeoutMs: 2000 });
    const video = await mediaFiles.mp4.make();
    expect(await decoder.describe(video, sniff(video)!)).toMatchObject(tooLate);
  });

  test("a poster is too late at once if the queue for ffmpeg is full", async ({ onTestFinished }) => {
    const program = fakeFfmpeg(onTestFinished, "exit 1");
    const readPoster = createPosters({ ffmpeg: program, wrapper: [], timeoutMs: 10_000, maxWaiting: 1 });
    const clip: ClipToShow = {
      bytes: await mediaFiles.mp4.make(),
      container: "mov",
      rotation: 0,
      displayed: { width: 96, height: 64 },
    };
    expect(await Promise.all([readPoster(clip), readPoster(clip)])).toEqual(["failed", "too_late"]);
    expect(await readPoster(clip)).toBe("failed");
  });

  test.skipIf(requires("prlimit", hasPrlimit))(
    "ffmpeg may take a quarter of the decode memory, and 64 MiB",
    async ({ onTestFinished }) => {
      const frame = join(mkdtempSync(join(tmpdir(), "media-oracle-")), "frame.bmp");
      onTestFinished(() => rmSync(dirname(frame), { recursive: true }));
      writeFileSync(frame, bmp());
      const program = fakeFfmpeg(onTestFinished, `[ "$(ulimit -d)" = ${(64 + 100) * 1024} ] && exec cat ${frame}`);
      const decoder = await startDecoder(onTestFinished, { ffmpeg: program, decodeBytes: 400 * 1024 ** 2 });
      const video = await mediaFiles.mp4.make();
      const described = await decoder.describe(video, sniff(video)!);
      expect(described).toMatchObject({ width: 96, height: 64, warning: null });
      expect(described.blurhash).toHaveLength(28);
    },
  );

  test("a video that ffmpeg cannot read is decode_failed", async ({ onTestFinished }) => {
    const decoder = await startDecoder(onTestFinished, { ffmpeg: fakeFfmpeg(onTestFinished, "exit 1") });
    const video = await mediaFiles.mp4.make();
    const described = await decoder.describe(video, sniff(video)!);
    expect(described).toMatchObject({ width: 96, warning: "decode_failed", decodeTimeoutCause: null });
  });
});
