import type { Readable, Writable } from "node:stream";
import { hasAt, readUint32LE } from "../formats/bytes.ts";
import { type Size, fitWithin } from "../raster.ts";
import type { Clip, Rotation } from "../protocol.ts";
import { startProgram } from "./start-program.ts";

/** A clip, and the size in which it is displayed. */
export interface ClipToShow extends Clip {
  readonly displayed: Size;
}

export interface PosterOptions {
  /** The program's path. */
  readonly ffmpeg: string;
  /** Command prefix of the sandbox: `sandbox.ts`. */
  readonly wrapper: readonly string[];
  readonly timeoutMs: number;
  /** Maximum queue length; beyond it there is no poster. */
  readonly maxWaiting: number;
}

/** A bitmap file; `too_late` at the time limit, or if the queue is full; else `failed`. */
export type Poster = Uint8Array | "failed" | "too_late";

/** Decodes the poster frame of a clip: the first that is not black, else the first. Never rejects. */
export type ReadPoster = (clip: ClipToShow) => Promise<Poster>;

const longestSide = 512;
const turns: Readonly<Record<Rotation, string>> = {
  0: "",
  90: "transpose=clock,",
  180: "hflip,vflip,",
  270: "transpose=cclock,",
};
// The defaults of ffmpeg's blackframe filter: 98 of 100 pixels below 32 of 255.
const blackPercent = 98;
// Two frames of 512 x 512 pixels x 3 bytes, and their headers.
const maxAnswerBytes = 2 * (3 * longestSide ** 2 + 1024);

/** Decodes posters with ffmpeg, one at a time: a process a clip, in the sandbox, with the clip as its only input. */
export function createPosters({ ffmpeg, wrapper, timeoutMs, maxWaiting }: PosterOptions): ReadPoster {
  let waiting = 0;
  let last: Promise<unknown> = Promise.resolve();

  async function inTurn(clip: ClipToShow, turn: Promise<unknown>, askedAt: number): Promise<Poster> {
    await turn;
    waiting -= 1;
    const leftMs = timeoutMs - (performance.now() - askedAt);
    return leftMs > 0 ? run([...wrapper, ffmpeg, ...argumentsFor(clip)], clip.bytes, leftMs) : "too_late";
  }

  return (clip) => {
    if (waiting >= maxWaiting) return Promise.resolve("too_late");
    waiting += 1;
    const poster = inTurn(clip, last, performance.now());
    last = poster;
    return poster;
  };
}

/** Builds ffmpeg's arguments: input only from the pipe; output is the first frame and the first non-black one. */
function argumentsFor({ displayed, container, rotation }: ClipToShow): string[] {
  const { width, height } = fitWithin(displayed, longestSide);
  const filters = [
    `[0:v:0]${turns[rotation]}scale=${width}:${height},format=yuv420p,split[first][all]`,
    `[first]trim=end_frame=1[one]`,
    `[all]blackframe=amount=0:threshold=32,metadata=mode=select:key=lavfi.blackframe.pblack:value=${blackPercent}:function=less[bright]`,
    `[one][bright]concat=n=2,format=bgr24[out]`,
  ];
  return [
    ...["-hide_banner", "-nostdin", "-v", "quiet", "-threads", "1", "-filter_threads", "1"],
    ...["-protocol_whitelist", "pipe", "-noautorotate", "-f", container, "-i", "pipe:0"],
    ...["-filter_complex_threads", "1", "-filter_complex", filters.join(";"), "-map", "[out]", "-frames:v", "2"],
    ...["-fps_mode", "passthrough", "-c:v", "bmp", "-f", "image2pipe", "pipe:1"],
  ];
}

/** Runs a program on the input; returns the last bitmap of its output. Never rejects, also if it cannot start. */
function run(command: readonly string[], input: Uint8Array, timeoutMs: number): Promise<Poster> {
  const { child } = startProgram(command, { stdio: ["pipe", "pipe", "ignore"], env: {} });
  if (!child) return Promise.resolve("failed");
  const [stdin, stdout] = child.stdio as unknown as [Writable, Readable];
  return new Promise((resolve) => {
    let isTooLate = false;
    const end = () => void child.kill("SIGKILL");
    const timer = setTimeout(() => {
      isTooLate = true;
      end();
    }, timeoutMs);
    const chunks: Buffer[] = [];
    let bytes = 0;
    stdout.on("data", (chunk: Buffer) => {
      chunks.push(chunk);
      bytes += chunk.byteLength;
      if (bytes > maxAnswerBytes) end();
    });
    stdout.on("error", () => null); // "close" follows
    stdin.on("error", () => null); // it has seen enough
    stdin.end(input);
    child.once("close", () => {
      clearTimeout(timer);
      const bitmap = bytes > maxAnswerBytes ? null : lastBitmap(Buffer.concat(chunks));
      resolve(bitmap ?? (isTooLate ? "too_late" : "failed"));
    });
  });
}

/** Finds the last complete bitmap by the lengths in the headers; null if none is complete. */
function lastBitmap(bitmaps: Buffer): Uint8Array | null {
  let last: Uint8Array | null = null;
  for (let at = 0; hasAt(bitmaps, at, "BM");) {
    const end = at + readUint32LE(bitmaps, at + 2);
    if (end <= at || end > bitmaps.byteLength) break;
    last = bitmaps.subarray(at, end);
    at = end;
  }
  return last;
}
