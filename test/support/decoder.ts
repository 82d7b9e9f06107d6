import { cpSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as after } from "node:timers/promises";
import { fileURLToPath, pathToFileURL } from "node:url";
import sharp from "sharp";
import { type Decoder, type DecoderOptions, createDecoder } from "../../src/media/decode/decoder.ts";
import { type Format, type FormatName, formats } from "../../src/media/formats/index.ts";
import { requestBytes } from "../../src/media/protocol.ts";
import { noise } from "./images.ts";

/** The built program of the decoder processes, as it is shipped. */
export const builtEntry = new URL("../../dist/media/worker/main.js", import.meta.url);

const smallPng = await sharp(noise(64, 64, 1), { raw: { width: 64, height: 64, channels: 4 } })
  .png()
  .toBuffer();

/** Null if it is not installed: then videos have no hash. */
export const ffmpeg = existsSync("/usr/bin/ffmpeg") ? "/usr/bin/ffmpeg" : null;

// Only a failing test waits so long. The slow lane has a tenth of a busy machine's CPU time.
const patienceMs = 250_000;

/** A running decoder with the service's own defaults, ended by `onFinished`. */
export async function startDecoder(
  onFinished: (end: () => Promise<void>) => void,
  options: Partial<DecoderOptions> = {},
): Promise<Decoder> {
  const decoder = createDecoder({
    entry: builtEntry,
    processes: 2,
    idleMs: 60_000,
    decodeTimeoutMs: patienceMs,
    decodeBytes: 512 * 1024 ** 2,
    maxWaiting: 256,
    formats: ["jpeg", "png", "webp", "gif", "avif", "heic", "jxl", "bmp", "ico", "video", "audio", "pdf"],
    ffmpeg,
    onFailedStart: () => undefined,
    ...options,
  });
  onFinished(() => decoder.close());
  await decoder.start();
  return decoder;
}

export function formatNamed(name: FormatName): Format {
  return formats.find((format) => format.name === name)!;
}

/** A folder beside the built worker, from which Node resolves sharp too. */
export function folderBeside(onFinished: (end: () => void) => void): string {
  const folder = mkdtempSync(fileURLToPath(new URL("../test-", builtEntry)));
  onFinished(() => rmSync(folder, { recursive: true }));
  return folder;
}

/** Copies the built worker into a folder, and returns its entry. */
export function copyWorker(folder: string): URL {
  cpSync(fileURLToPath(new URL(".", builtEntry)), folder, { recursive: true });
  return pathToFileURL(join(folder, "main.js"));
}

/** A fake decoder program. */
export function standIn(onFinished: (end: () => void) => void, source: string): URL {
  const file = join(folderBeside(onFinished), "child.mjs");
  writeFileSync(file, `import { readSync, writeSync } from "node:fs";\n${source}`);
  return pathToFileURL(file);
}

/** The beginning of a fake decoder program: it reports ready, and accepts the request `number`. */
export const takesOne = `
  writeSync(3, '{"libvips":"8"}\\n');
  const header = Buffer.alloc(${requestBytes});
  readSync(3, header);
  const number = header.readDoubleLE(0);
  writeSync(3, JSON.stringify({ taken: number }) + "\\n");
`;

/** Returns the resident memory of a process, in bytes; 0 if it has ended. */
export function residentBytes(pid: number): number {
  try {
    return 1024 * Number(/^VmRSS:\s*(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1] ?? 0);
  } catch {
    return 0;
  }
}

/** Waits until a process is decoding a picture of dozens of megapixels, and returns it. */
export function decodingPid(decoder: Decoder): Promise<number> {
  return until(
    () => decoder.children.find(({ pid, state }) => state === "busy" && residentBytes(pid) > 100e6)?.pid,
    "a process decodes",
  );
}

/** Waits until all processes are idle, for example after a start. */
export async function allIdle(decoder: Decoder): Promise<void> {
  await until(() => decoder.children.every(({ state }) => state === "idle") || undefined, "all are idle");
}

/** Keeps the quick lane and the slow lane busy until both have all their workers: from then on a siege meets the whole pool. */
export async function startAllWorkers(decoder: Decoder, workers: number): Promise<void> {
  const png = formatNamed("png");
  const slowPicture = Buffer.concat([smallPng, Buffer.alloc(6 * 1024 ** 2)]); // too large for the quick lane
  for (const end = performance.now() + patienceMs; decoder.children.length < workers;) {
    if (performance.now() > end) throw new Error("not all workers have started");
    const burst = Array.from({ length: 200 }, () => decoder.describe(smallPng, png));
    await Promise.all([decoder.describe(slowPicture, png), ...burst]);
  }
  await allIdle(decoder);
}

async function until<T>(what: () => T | undefined, name: string): Promise<T> {
  for (const end = performance.now() + patienceMs; performance.now() < end; await after(5)) {
    const found = what();
    if (found !== undefined) return found;
  }
  throw new Error(`it did not come to it that ${name}`);
}
