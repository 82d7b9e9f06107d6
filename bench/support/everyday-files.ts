/** Sixteen kinds of file that people post every day, in realistic sizes. Made once, then kept in the temporary folder. */
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import sharp from "sharp";
import { runFfmpeg } from "../../test/support/media-files.ts";
import { makeCameraJpeg, makeHeic } from "./camera.ts";
import { drawScreenshot, takePhoto } from "./pictures.ts";

/** The facts of a file, as a caller should get them. Null: the kind of file has no such fact. */
export interface ExpectedFacts {
  readonly type: string;
  readonly size: readonly [width: number, height: number] | null;
  readonly durationMs: number | null;
  readonly animated: boolean | null;
  /** A picture, a poster frame or a cover. */
  readonly hasBlurhash: boolean;
}

export interface EverydayFile {
  /** For `--only`. */
  readonly name: string;
  readonly label: string;
  readonly facts: ExpectedFacts;
  readonly make: () => Buffer | Promise<Buffer>;
}

/** A file that was made. */
export interface MadeFile extends EverydayFile {
  readonly path: string;
  readonly bytes: number;
}

// Part of the folder's name: a change of any recipe needs another number.
const recipesVersion = 1;
const folder = join(tmpdir(), `media-oracle-everyday-files-${recipesVersion}-${process.getuid?.() ?? 0}`);

const photo = [4000, 3000] as const;
const still = (type: string, ...size: readonly [number, number]): ExpectedFacts => ({
  type,
  size,
  durationMs: null,
  animated: false,
  hasBlurhash: true,
});
const moving = (type: string, ...size: readonly [number, number]) => ({ ...still(type, ...size), animated: true });
const film = (type: string, durationSeconds: number, ...size: readonly [number, number]) => ({
  ...still(type, ...size),
  durationMs: durationSeconds * 1000,
  animated: null,
});
const sound = (type: string, durationSeconds: number, hasBlurhash: boolean): ExpectedFacts => ({
  type,
  size: null,
  durationMs: durationSeconds * 1000,
  animated: null,
  hasBlurhash,
});

/** A moving test picture; the noise sets how well it compresses. */
function scene(size: readonly [number, number], framesPerSecond: number, durationSeconds: number, noise: number) {
  const picture = `testsrc2=s=${size.join("x")}:r=${framesPerSecond}:d=${durationSeconds}`;
  return ["-f", "lavfi", "-i", `${picture},noise=alls=${noise}:allf=t`];
}

function noise(colour: "pink" | "white", durationSeconds: number, rate = 44_100): string[] {
  return ["-f", "lavfi", "-i", `anoisesrc=color=${colour}:d=${durationSeconds}:r=${rate}:a=0.3`];
}

async function songWithCover(name: string, sound: readonly string[], coding: readonly string[]): Promise<Buffer> {
  const coverJpg = await (await takePhoto(640, 640)).jpeg({ quality: 90 }).toBuffer();
  const streams = ["-i", "cover.jpg", "-map", "0:a", "-map", "1:v", "-c:v", "copy", "-disposition:v", "attached_pic"];
  return runFfmpeg(name, [...sound, ...streams, "-ac", "2", ...coding], { "cover.jpg": coverJpg });
}

const h264 = ["-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p"];
const steady = (rate: string) => ["-b:v", rate, "-minrate", rate, "-maxrate", rate, "-bufsize", rate];
const aac = ["-c:a", "aac", "-b:a", "128k"];

async function makeScreenshot([width, height]: readonly [number, number]): Promise<Buffer> {
  const picture = await (await takePhoto(480, 480)).png().toBuffer();
  return sharp(await drawScreenshot(width, height))
    .composite([{ input: picture, top: 600, left: 300 }])
    .png()
    .toBuffer();
}

const phone = [1920, 1080] as const;
const clip = [1280, 720] as const;
const sticker = [360, 360] as const;
const reaction = [480, 270] as const;
const screen = [1080, 2340] as const;
const web = [1920, 1440] as const;

/** Looked up first, so that the decoder workers are ready. */
export const warmUpFile: EverydayFile = {
  name: "warm-up",
  label: "a small JPEG",
  facts: still("image/jpeg", 320, 240),
  make: async () => (await takePhoto(320, 240)).jpeg().toBuffer(),
};

export const everydayFiles: readonly EverydayFile[] = [
  {
    name: "jpeg",
    label: "JPEG photo with EXIF thumbnail",
    facts: still("image/jpeg", ...photo),
    make: () => makeCameraJpeg(...photo, 87),
  },
  {
    name: "progressive",
    label: "progressive JPEG",
    facts: still("image/jpeg", ...web),
    make: async () => (await takePhoto(...web)).jpeg({ quality: 95, progressive: true }).toBuffer(),
  },
  { name: "png", label: "PNG screenshot", facts: still("image/png", ...screen), make: () => makeScreenshot(screen) },
  {
    name: "gif",
    label: "animated GIF",
    facts: moving("image/gif", ...reaction),
    make: () =>
      runFfmpeg("a.gif", [
        ...scene(reaction, 15, 5, 12),
        "-vf",
        "split[a][b];[a]palettegen[p];[b][p]paletteuse=dither=none",
      ]),
  },
  {
    name: "webp-animated",
    label: "animated WebP",
    facts: moving("image/webp", ...reaction),
    make: () =>
      runFfmpeg("a.webp", [
        ...scene(reaction, 15, 10, 16),
        ...["-c:v", "libwebp_anim", "-quality", "80", "-compression_level", "2", "-loop", "0"],
      ]),
  },
  {
    name: "webp",
    label: "WebP",
    facts: still("image/webp", 1600, 1200),
    make: async () => (await takePhoto(1600, 1200)).webp().toBuffer(),
  },
  {
    name: "avif",
    label: "AVIF",
    facts: still("image/avif", 2048, 1536),
    make: async () => (await takePhoto(2048, 1536)).avif({ effort: 2, quality: 55 }).toBuffer(),
  },
  {
    name: "heic",
    label: "HEIC photo with thumbnail",
    facts: still("image/heic", ...photo),
    make: () => makeHeic(...photo, 15),
  },
  {
    name: "apng",
    label: "animated PNG",
    facts: moving("image/apng", ...sticker),
    make: () => runFfmpeg("a.apng", [...scene(sticker, 10, 1, 6), "-f", "apng", "-plays", "0"]),
  },
  {
    name: "phone",
    label: "MP4 of a phone, moov at the end",
    facts: film("video/mp4", 20, ...phone),
    make: () =>
      runFfmpeg("a.mp4", [
        ...scene(phone, 30, 20, 20),
        ...noise("pink", 20),
        ...h264,
        ...steady("20M"),
        ...["-x264-params", "nal-hrd=cbr"],
        ...aac,
      ]),
  },
  {
    name: "mp4",
    label: "MP4, moov first",
    facts: film("video/mp4", 40, ...clip),
    make: () =>
      runFfmpeg("a.mp4", [
        ...scene(clip, 30, 40, 10),
        ...noise("pink", 40),
        ...h264,
        ...steady("4M"),
        ...aac,
        ...["-movflags", "faststart"],
      ]),
  },
  {
    name: "webm",
    label: "WebM of MediaRecorder, no duration",
    facts: film("video/webm", 25, ...clip),
    make: () =>
      runFfmpeg("a.webm", [
        ...scene(clip, 30, 25, 8),
        ...noise("pink", 25),
        ...["-c:v", "libvpx", "-deadline", "realtime", "-cpu-used", "8", "-b:v", "2500k", "-c:a", "libopus"],
        ...["-b:a", "64k", "-live", "1"], // as a stream: neither duration nor cues, clusters of unknown size
      ]),
  },
  {
    name: "mp3",
    label: "MP3, constant bitrate",
    facts: sound("audio/mpeg", 312, false),
    make: () =>
      runFfmpeg("a.mp3", [
        ...noise("pink", 312),
        ...["-ac", "2", "-c:a", "libmp3lame", "-b:a", "128k", "-write_xing", "0", "-metadata", "title=Talk"],
      ]),
  },
  {
    name: "mp3-vbr",
    label: "MP3, variable bitrate, cover",
    facts: sound("audio/mpeg", 400, true),
    make: () => songWithCover("a.mp3", noise("white", 400), ["-c:a", "libmp3lame", "-q:a", "0"]),
  },
  {
    name: "opus",
    label: "Ogg Opus voice message",
    facts: sound("audio/ogg", 120, false),
    make: () => runFfmpeg("a.ogg", [...noise("pink", 120, 48_000), "-ac", "1", "-c:a", "libopus", "-b:a", "24k"]),
  },
  {
    name: "flac",
    label: "FLAC, cover",
    facts: sound("audio/flac", 270, true),
    make: () => songWithCover("a.flac", noise("pink", 270), ["-c:a", "flac"]),
  },
];

/** Makes the files that are not in the temporary folder yet. */
export async function makeEverydayFiles(files: readonly EverydayFile[]): Promise<MadeFile[]> {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const made: MadeFile[] = [];
  for (const file of files) {
    const path = join(folder, file.name);
    if (!existsSync(path)) {
      console.log(`Making ${file.label}`);
      const unfinished = `${path}.${process.pid}`;
      writeFileSync(unfinished, await file.make());
      renameSync(unfinished, path);
    }
    made.push({ ...file, path, bytes: readFileSync(path).byteLength });
  }
  return made;
}
