import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { decode } from "blurhash";
import { describe, expect, test } from "vitest";
import { sniff } from "../../../src/media/formats/sniff.ts";
import { ffmpeg, startDecoder } from "../../support/decoder.ts";
import { mediaFiles, runFfmpeg } from "../../support/media-files.ts";
import { requires } from "../../support/require.ts";

const source = (what: string, seconds: number) => ["-f", "lavfi", "-i", `${what}:s=96x64:d=${seconds}:r=10`];
const asH264 = ["-c:v", "libx264", "-pix_fmt", "yuv420p"];

/** Which channel is strongest at a place among 16 x 16. */
function strongest(blurhash: string, at: readonly [x: number, y: number]): "red" | "green" | "blue" | "none" {
  const pixels = decode(blurhash, 16, 16);
  const from = (at[1] * 16 + at[0]) * 4;
  const channels = [...pixels.subarray(from, from + 3)];
  const most = Math.max(...channels);
  return most < 40 ? "none" : (["red", "green", "blue"] as const)[channels.indexOf(most)]!;
}

describe.skipIf(requires("ffmpeg", ffmpeg !== null))("the hash of a video", () => {
  test("is of the first frame that is not black", async ({ onTestFinished }) => {
    const decoder = await startDecoder(onTestFinished);
    const join = ["-filter_complex", "[0][1]concat=n=2"];
    const video = runFfmpeg("a.mp4", [...source("color=black", 1), ...source("color=lime", 1), ...join, ...asH264]);
    const { blurhash, warning } = await decoder.describe(video, sniff(video)!);
    expect({ colour: strongest(blurhash!, [8, 8]), warning }).toEqual({ colour: "green", warning: null });
  });

  test("is black where all of it is", async ({ onTestFinished }) => {
    const decoder = await startDecoder(onTestFinished);
    const video = runFfmpeg("a.webm", [...source("color=black", 1), "-c:v", "libvpx"]);
    expect(strongest((await decoder.describe(video, sniff(video)!)).blurhash!, [8, 8])).toBe("none");
  });

  test("is upright where the video says how it is to be turned", async ({ onTestFinished }) => {
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

  test("is missing without ffmpeg, and nothing else", async ({ onTestFinished }) => {
    const decoder = await startDecoder(onTestFinished, { ffmpeg: null });
    const video = await mediaFiles.mp4.make();
    const described = await decoder.describe(video, sniff(video)!);
    expect(described).toMatchObject({ width: 96, height: 64, blurhash: null, warning: null });
    expect(described.durationMs).toBeGreaterThan(1900);
    expect(decoder.enabled).toMatchObject({ video: true, poster: false });
  });

  test("is given up where ffmpeg stands still", async ({ onTestFinished }) => {
    const folder = mkdtempSync(join(tmpdir(), "media-oracle-"));
    onTestFinished(() => rmSync(folder, { recursive: true }));
    const program = join(folder, "ffmpeg");
    writeFileSync(program, "#!/bin/sh\nexec sleep 600\n", { mode: 0o755 });
    const decoder = await startDecoder(onTestFinished, { ffmpeg: program, decodeTimeoutMs: 2000 });
    const video = await mediaFiles.mp4.make();
    const described = await decoder.describe(video, sniff(video)!);
    expect(described).toMatchObject({ width: 96, blurhash: null, warning: "decode_failed" });
  });
});
