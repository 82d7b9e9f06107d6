import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { deflateSync, gzipSync } from "node:zlib";
import sharp, { type Sharp } from "sharp";
import type { MeasuredName } from "../../src/media/formats/index.ts";
import { ffmpeg } from "./decoder.ts";
import { box, fileType, latin1, ogg, png } from "./heads.ts";
import { plain } from "./images.ts";
import { asfFile, asfHeader, monkeysAudio, musepack8 } from "./stream-heads.ts";

/** The colour of every visible file here. */
export const colour = [200, 40, 60] as const;
const [width, height] = [96, 64];
const seconds = 2;

/** A whole file of a format, and its expected metadata. */
export interface MediaFile {
  readonly make: () => Buffer | Promise<Buffer>;
  readonly size: { readonly width: number; readonly height: number } | null;
  readonly durationMs: number | null;
  readonly animated: boolean | null;
  /** `poster`: only with ffmpeg. */
  readonly hash: "own" | "poster" | "none";
  /** Whether ffmpeg is needed to make it. */
  readonly needsFfmpeg: boolean;
}

/** Makes a file with ffmpeg; `cover.png` and the given files are in its working directory. */
export function runFfmpeg(name: string, args: readonly string[], files: Readonly<Record<string, Buffer>> = {}): Buffer {
  const folder = mkdtempSync(join(tmpdir(), "media-oracle-"));
  try {
    for (const [given, bytes] of Object.entries({ ...files, "cover.png": coverPng() }))
      writeFileSync(join(folder, given), bytes);
    const file = join(folder, name);
    const { status, stderr } = spawnSync(ffmpeg!, ["-v", "error", ...args, file], { cwd: folder, encoding: "utf8" });
    if (status !== 0) throw new Error(`ffmpeg could not make ${name}: ${stderr}`);
    return readFileSync(file);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

const hex = colour.map((channel) => channel.toString(16).padStart(2, "0")).join("");
const frames = ["-f", "lavfi", "-i", `color=0x${hex}:s=${width}x${height}:d=${seconds}:r=25`];
const tone = ["-f", "lavfi", "-i", `sine=d=${seconds}`];

function picture(): Sharp {
  return sharp(plain(width, height, [...colour, 255]), { raw: { width, height, channels: 4 } }).removeAlpha();
}

function pngOf(rgba: Uint8Array): Buffer {
  const header = Buffer.alloc(13);
  header.writeUInt32BE(width, 0);
  header.writeUInt32BE(height, 4);
  header.set([8, 6], 8);
  const rows = Array.from({ length: height }, (_, row) =>
    Buffer.concat([Buffer.alloc(1), rgba.subarray(row * width * 4, (row + 1) * width * 4)]),
  );
  return png(["IHDR", header], ["IDAT", deflateSync(Buffer.concat(rows))], ["IEND", Buffer.alloc(0)]);
}

function coverPng(): Buffer {
  return pngOf(plain(width, height, [...colour, 255]));
}

function uint(bytes: number, value: number): Buffer {
  const buffer = Buffer.alloc(bytes);
  buffer.writeUIntBE(value, 0, bytes);
  return buffer;
}

/** A bitmap of 24 bits, without the file header. */
function bitmap(rows = height): Buffer {
  const header = Buffer.alloc(40);
  header.writeUInt32LE(40, 0);
  header.writeInt32LE(width, 4);
  header.writeInt32LE(rows, 8);
  header.writeUInt16LE(1, 12);
  header.writeUInt16LE(24, 14);
  const pixel = Buffer.from([...colour].reverse());
  return Buffer.concat([header, ...Array.from({ length: width * height }, () => pixel)]);
}

export function bmp(): Buffer {
  const content = bitmap();
  const header = Buffer.alloc(14);
  header.write("BM");
  header.writeUInt32LE(14 + content.length, 2);
  header.writeUInt32LE(54, 10);
  return Buffer.concat([header, content]);
}

/** A small picture before a large one. */
function ico(): Buffer {
  const [small, large] = [coverPng(), Buffer.concat([bitmap(2 * height), Buffer.alloc(12 * height)])];
  const entry = (side: readonly [number, number], bytes: Buffer, at: number) => {
    const buffer = Buffer.from([...side, 0, 0, 1, 0, 32, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    buffer.writeUInt32LE(bytes.length, 8);
    buffer.writeUInt32LE(at, 12);
    return buffer;
  };
  const entries = [entry([16, 16], small.subarray(0, 8), 38), entry([width, height], large, 38 + small.length)];
  return Buffer.concat([Buffer.from([0, 0, 1, 0, 2, 0]), ...entries, small, large]);
}

function boxesIn(file: Buffer, from = 0, to = file.length): Map<string, Buffer> {
  const found = new Map<string, Buffer>();
  for (let at = from; at + 8 <= to; at += file.readUInt32BE(at)) {
    found.set(file.toString("latin1", at + 4, at + 8), file.subarray(at, at + file.readUInt32BE(at)));
  }
  return found;
}

export const hevc = ["-c:v", "libx265", "-preset", "ultrafast", "-x265-params", "log-level=none", "-pix_fmt"];

/** Stored in portrait format, displayed in landscape format. */
export function heic(brands: readonly [string, ...string[]], profile?: Buffer): Buffer {
  const turned = ["-f", "lavfi", "-i", `color=0x${hex}:s=${height}x${width}:d=0.04:r=25`];
  const movie = runFfmpeg("a.mp4", [...turned, ...hevc, "yuv420p"]);
  return heicOf(movie, { width: height, height: width, quarters: 1 }, brands, profile);
}

/** The one frame of a movie in HEVC as a picture (ISO/IEC 23008-12). */
export function heicOf(
  movie: Buffer,
  stored: { readonly width: number; readonly height: number; readonly quarters: number },
  brands: readonly [string, ...string[]],
  profile?: Buffer,
): Buffer {
  const at = movie.indexOf("hvcC") - 4;
  const settings = movie.subarray(at, at + movie.readUInt32BE(at));
  const frame = boxesIn(movie).get("mdat")!.subarray(8);
  const full = Buffer.alloc(4);
  const parts = (place: number) => [
    fileType(...brands),
    box(
      "meta",
      full,
      box("hdlr", full, full, "pict", Buffer.alloc(13)),
      box("pitm", full, uint(2, 1)),
      box("iinf", full, uint(2, 1), box("infe", uint(4, 0x02000000), uint(2, 1), uint(2, 0), "hvc1\0")),
      box(
        "iloc",
        full,
        uint(2, 0x4400),
        uint(2, 1),
        uint(2, 1),
        uint(2, 0),
        uint(2, 1),
        uint(4, place),
        uint(4, frame.length),
      ),
      box(
        "iprp",
        box(
          "ipco",
          settings,
          box("ispe", full, uint(4, stored.width), uint(4, stored.height)),
          box("irot", uint(1, stored.quarters)),
          profile ? box("colr", "prof", profile) : box("free"),
        ),
        box("ipma", full, uint(4, 1), uint(2, 1), Buffer.from([4, 0x81, 2, 0x83, 4])),
      ),
    ),
  ];
  const head = Buffer.concat(parts(0)).length;
  return Buffer.concat([...parts(head + 8), box("mdat", frame)]);
}

/** A page of 96 x 64 points, all in the colour. */
export function pdf(): Buffer {
  const [red, green, blue] = colour.map((channel) => (channel / 255).toFixed(4));
  const drawing = `${red} ${green} ${blue} rg 0 0 ${width} ${height} re f`;
  const objects = [
    "<</Type/Catalog/Pages 2 0 R>>",
    "<</Type/Pages/Kids[3 0 R]/Count 1>>",
    `<</Type/Page/Parent 2 0 R/MediaBox[0 0 ${width} ${height}]/Contents 4 0 R>>`,
    `<</Length ${drawing.length}>>stream\n${drawing}\nendstream`,
  ];
  const places: number[] = [];
  let text = "%PDF-1.4\n";
  for (const [index, object] of objects.entries()) {
    places.push(text.length);
    text += `${index + 1} 0 obj\n${object}\nendobj\n`;
  }
  const table = places.map((place) => `${String(place).padStart(10, "0")} 00000 n \n`).join("");
  const trailer = `trailer\n<</Root 1 0 R/Size 5>>\nstartxref\n${text.length}\n%%EOF\n`;
  return latin1(`${text}xref\n0 5\n0000000000 65535 f \n${table}${trailer}`);
}

export const svg = `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}"><rect width="100%" height="100%" fill="#${hex}"/></svg>`;

const still = { size: { width, height }, durationMs: null, animated: false, hash: "own", needsFfmpeg: false } as const;
const sizeOnly = { ...still, animated: null, hash: "none" } as const;
const film = { ...still, durationMs: seconds * 1000, animated: null, hash: "poster", needsFfmpeg: true } as const;
const sound = { ...film, size: null, hash: "none" } as const;
const withCover = ["-i", "cover.png", "-map", "0:a", "-map", "1:v", "-disposition:v", "attached_pic", "-c:v", "copy"];

const h264 = ["-c:v", "libx264", "-pix_fmt", "yuv420p"];

/** A file of each format that is measured. A new row of the table compiles only with an entry here. */
export const mediaFiles: Readonly<Record<MeasuredName, MediaFile>> = {
  jpeg: { ...still, make: () => picture().jpeg({ quality: 95 }).toBuffer() },
  apng: {
    ...still,
    animated: true,
    needsFfmpeg: true,
    make: () => runFfmpeg("a.apng", [...frames, "-frames:v", "2", "-f", "apng"]),
  },
  png: { ...still, make: coverPng },
  gif: { ...still, make: () => picture().gif().toBuffer() },
  webp: { ...still, make: () => picture().webp().toBuffer() },
  avif: { ...still, make: () => picture().avif().toBuffer() },
  heic: { ...still, needsFfmpeg: true, make: () => heic(["heic", "mif1"]) },
  heif: { ...still, needsFfmpeg: true, make: () => heic(["mif1", "miaf"]) },
  jxl: { ...still, needsFfmpeg: true, make: () => runFfmpeg("a.jxl", [...frames, "-frames:v", "1", "-c:v", "libjxl"]) },
  jp2: {
    ...sizeOnly,
    needsFfmpeg: true,
    make: () => runFfmpeg("a.jp2", [...frames, "-frames:v", "1", "-c:v", "jpeg2000"]),
  },
  j2c: {
    ...sizeOnly,
    needsFfmpeg: true,
    make: () => runFfmpeg("a.j2k", [...frames, "-frames:v", "1", "-c:v", "jpeg2000", "-format", "j2k", "-f", "image2"]),
  },
  tiff: { ...still, make: () => picture().tiff({ compression: "lzw" }).toBuffer() },
  bmp: { ...still, make: bmp },
  ico: { ...still, make: ico },
  psd: {
    ...sizeOnly,
    make: () => Buffer.concat([latin1("8BPS\0\x01\0\0\0\0\0\0\0\x03"), uint(4, height), uint(4, width)]),
  },
  qoi: { ...sizeOnly, make: () => Buffer.concat([latin1("qoif"), uint(4, width), uint(4, height), latin1("\x03\0")]) },
  pdf: { ...still, animated: null, make: pdf },
  "3gp-audio": { ...sound, make: () => runFfmpeg("a.3gp", [...tone, "-c:a", "aac", "-movflags", "faststart"]) },
  m4a: { ...sound, hash: "own", make: () => runFfmpeg("a.m4a", [...tone, ...withCover]) },
  mov: { ...film, make: () => runFfmpeg("a.mov", [...frames, ...h264]) },
  "3gp": { ...film, make: () => runFfmpeg("a.3gp", [...frames, ...h264]) },
  mp4: { ...film, make: () => runFfmpeg("a.mp4", [...frames, ...tone, ...h264, "-movflags", "faststart"]) },
  isobmff: {
    ...film, // its metadata is beyond the head
    make: () =>
      runFfmpeg("a.mp4", ["-f", "lavfi", "-i", "anoisesrc=d=2", ...frames, ...h264, "-c:a", "aac", "-b:a", "256k"]),
  },
  avi: { ...film, make: () => runFfmpeg("a.avi", [...frames, "-c:v", "mpeg4"]) },
  flv: { ...film, make: () => runFfmpeg("a.flv", [...frames, ...h264]) },
  "asf-video": { ...film, make: () => runFfmpeg("a.wmv", [...frames, ...tone, "-q:v", "2"]) },
  "asf-audio": { ...sound, make: () => runFfmpeg("a.wma", [...tone]) },
  asf: { ...sound, needsFfmpeg: false, make: () => asfHeader(asfFile(seconds * 1000, 3000)) },
  "mpeg-ts": { ...film, make: () => runFfmpeg("a.ts", [...frames, ...tone, ...h264]) },
  "mpeg-ps": { ...film, durationMs: null, make: () => runFfmpeg("a.vob", [...frames, ...tone]) },
  "mpeg1-ps": { ...film, durationMs: null, make: () => runFfmpeg("a.mpg", [...frames, ...tone]) },
  "mpeg-video": { ...film, durationMs: null, make: () => runFfmpeg("a.m2v", [...frames]) },
  caf: { ...sound, make: () => runFfmpeg("a.caf", [...tone]) },
  au: { ...sound, make: () => runFfmpeg("a.au", [...tone]) },
  wavpack: { ...sound, make: () => runFfmpeg("a.wv", [...tone]) },
  ape: { ...sound, needsFfmpeg: false, make: () => monkeysAudio(2, 14_472) },
  musepack: { ...sound, needsFfmpeg: false, make: () => musepack8(seconds * 48_000, 0) },
  tta: { ...sound, make: () => runFfmpeg("a.tta", [...tone]) },
  ac3: { ...sound, make: () => runFfmpeg("a.ac3", [...tone]) },
  eac3: { ...sound, make: () => runFfmpeg("a.eac3", [...tone]) },
  "webm-audio": { ...sound, make: () => runFfmpeg("a.webm", [...tone, "-c:a", "libopus"]) },
  webm: { ...film, make: () => runFfmpeg("a.webm", [...frames, "-c:v", "libvpx"]) },
  "matroska-audio": { ...sound, make: () => runFfmpeg("a.mka", [...tone, "-c:a", "libvorbis"]) },
  matroska: { ...film, make: () => runFfmpeg("a.mkv", [...frames, "-c:v", "mpeg2video"]) },
  "ogg-video": { ...film, make: () => runFfmpeg("a.ogv", [...frames, "-c:v", "libtheora"]) },
  "ogg-audio": { ...sound, make: () => runFfmpeg("a.ogg", [...tone, "-c:a", "libvorbis"]) },
  ogg: { ...sound, durationMs: null, needsFfmpeg: false, make: () => ogg("unheard of") },
  flac: { ...sound, hash: "own", make: () => runFfmpeg("a.flac", [...tone, ...withCover]) },
  wav: { ...sound, make: () => runFfmpeg("a.wav", [...tone]) },
  aiff: { ...sound, make: () => runFfmpeg("a.aiff", [...tone]) },
  amr: {
    ...sound,
    needsFfmpeg: false,
    make: () => Buffer.concat([latin1("#!AMR\n"), ...Array.from({ length: 100 }, () => Buffer.alloc(32, 0x3c))]),
  },
  aac: { ...sound, make: () => runFfmpeg("a.aac", [...tone]) },
  mp3: { ...sound, hash: "own", make: () => runFfmpeg("a.mp3", [...tone, ...withCover]) },
  svg: { ...still, make: () => Buffer.from(svg) },
  svgz: { ...still, make: () => gzipSync(svg) },
};

/** Flips one bit in a hundred bytes, the same ones for the same seed. */
export function flipped(body: Uint8Array, seed: number): Uint8Array {
  const copy = Uint8Array.from(body);
  let state = seed;
  for (let count = Math.ceil(copy.length / 100); count > 0; count -= 1) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    copy[state % copy.length]! ^= 1 << (state >>> 29);
  }
  return copy;
}
