import { type DecodableName, type Format, decodableFormats, formats } from "../formats/index.ts";
import type { Operation } from "../protocol.ts";
import { divideBudget, selectLane } from "./cost-estimates.ts";
import { type Picture, type PictureWithClip, unknownPicture } from "./picture.ts";
import { type ReadPoster, createPosters } from "./poster.ts";
import { type Sandbox, detectSandbox } from "./sandbox.ts";
import { createScheduler } from "./scheduler.ts";
import { addPoster } from "./video-poster.ts";
import { type ProcessState, createPool, lanes } from "./worker-pool.ts";
import { startProcess } from "./worker-process.ts";

export type { Picture } from "./picture.ts";

export interface DecoderOptions {
  /** The program of the processes, built: `dist/media/worker/main.js`. */
  readonly entry: URL;
  /** Maximum number of workers in the quick lane, one picture each; the slow lane has one more. */
  readonly processes: number;
  /** A worker without a picture for so long is ended, except the warm one. */
  readonly idleMs: number;
  /** Time limit of the wait for a worker, and again of the decode. */
  readonly decodeTimeoutMs: number;
  /** Memory budget: the sum of the estimates of all decodes in flight. */
  readonly decodeBytes: number;
  /** Maximum queue length of each lane; beyond it the result is `decode_timeout` at once. */
  readonly maxWaiting: number;
  /** Formats that are decoded. Of all others only the size is reported, if the first bytes have it. */
  readonly formats: readonly DecodableName[];
  /** The path of ffmpeg, which decodes the poster frame of a video; null: no hashes of videos. */
  readonly ffmpeg: string | null;
  /** Called with the reason if a replacement of a worker cannot start: once for each reason, until one has answered. */
  readonly onFailedStart: (reason: string) => void;
  /** Environment variables of the workers, such as a preloaded allocator; they inherit no others. */
  readonly environment?: Readonly<Record<string, string>>;
}

/**
 * Decodes pictures in sandboxed workers: a crash, a hang or a decompression bomb costs one picture, never the service.
 *
 * Schedules a worker pool with a quick lane and a slow lane, and a work budget (memory and time) for each picture.
 */
export interface Decoder {
  /** Dimensions and hashes. Never rejects: a bad file is nulls and a warning; a disabled format is nulls alone. */
  describe(body: Uint8Array, format: Format, signal?: AbortSignal): Promise<Picture>;
  /** Dimensions alone, from a body or its first bytes. Never rejects. */
  measure(head: Uint8Array, format: Format): Promise<Picture>;
  /** Whether at least one worker is up, idle or busy. */
  readonly isReady: boolean;
  /** Recent mean time of a quick picture, divided by the number of workers; 0 before the first. */
  readonly expectedMs: number;
  /** Workers that were replaced: killed at the time limit, crashed or worn out. */
  readonly restarts: number;
  readonly busy: number;
  readonly waiting: number;
  /** The live workers, for the operator and for tests. */
  readonly children: readonly { readonly pid: number; readonly state: ProcessState }[];
  /** The layers of the sandbox around a worker: `permissions`, and the programs of `sandbox.ts` that work here. */
  readonly walls: readonly string[];
  /** Version of libvips in the workers; null before the start. */
  readonly libvips: string | null;
  /** The enabled formats, by the settings' names; `poster`: frames of videos. */
  readonly enabled: Readonly<Record<DecodableName | "poster", boolean>>;
  /** @throws Error if a worker cannot start: sharp is missing, or a loader that should be blocked is not */
  start(): Promise<void>;
  /** Kills the workers; pictures in flight are `decode_timeout`, which is cached only briefly. */
  close(): Promise<void>;
}

const [anyFormat] = formats as readonly [Format];
const healthCheckMs = 5_000;
// ffmpeg's output format: with ffmpeg the workers read it, even if the setting disables it for other files.
const posterName = "bmp";
// ffmpeg's memory limit: a 4K frame takes some 90 MB besides the program's own. A clip that needs more has no poster.
// It comes on top of the decode budget.
const shareOfPoster = 0.25;
const posterOwnBytes = 64 * 1024 ** 2;

export function createDecoder(options: DecoderOptions): Decoder {
  const {
    entry,
    environment = {},
    processes,
    idleMs,
    decodeTimeoutMs,
    decodeBytes,
    maxWaiting,
    ffmpeg,
    onFailedStart,
  } = options;
  const enabledFormats = decodableFormats.filter((name) => options.formats.includes(name));
  const posterFormat = formats.find(({ name }) => name === posterName) ?? anyFormat;
  const clips = ffmpeg !== null && enabledFormats.includes("video");
  const settings = { formats: clips ? [...new Set([...enabledFormats, posterName] as const)] : enabledFormats, clips };
  let sandbox: Sandbox = { names: [], command: [], commandWithin: () => [] };
  let readPoster: ReadPoster = () => Promise.resolve("failed");
  const pool = createPool({
    processes,
    idleMs,
    startProcess: () => startProcess({ entry, settings, environment, wrapper: sandbox.command }),
    onFree: () => scheduler.assign(),
    onFailedStart,
  });
  const budgets = divideBudget(decodeBytes, processes);
  const scheduler = createScheduler({ pool, budgets, decodeTimeoutMs, maxWaiting });
  const healthChecks = setInterval(checkHealth, healthCheckMs).unref();
  let isClosed = false;
  let libvips: string | null = null;

  /** Submits a body; of a disabled format only the size is measured. */
  async function submit(
    operation: Operation,
    body: Uint8Array,
    format: Format,
    signal?: AbortSignal,
  ): Promise<PictureWithClip> {
    const { decoding, readSize } = format;
    if (decoding && enabledFormats.some((name) => name === decoding.setting)) {
      const lane = selectLane(body.byteLength, decoding.isUnpredictable ?? false);
      return scheduler.submit({ operation, body, format, lane }, signal);
    }
    if (!readSize) return unknownPicture;
    const lane = selectLane(body.byteLength, false);
    return {
      ...(await scheduler.submit({ operation: "measure", body, format, lane }, signal)),
      warning: null,
      decodeTimeoutCause: null,
    };
  }

  async function describe(body: Uint8Array, format: Format, signal?: AbortSignal): Promise<Picture> {
    const { clip, ...picture } = await submit("describe", body, format, signal);
    if (!clip) return picture;
    const describeBitmap = (bitmap: Uint8Array) =>
      scheduler.submit({ operation: "describe", body: bitmap, format: posterFormat, lane: "quick" }, signal);
    return addPoster(picture, clip, { readPoster, describeBitmap });
  }

  /** Sends an empty body to one idle worker of each lane in turn, to find a hung one early. */
  function checkHealth(): void {
    for (const lane of lanes) {
      if (!pool.isFree(lane)) continue;
      const nothing = { operation: "measure", body: new Uint8Array(), format: anyFormat } as const;
      void scheduler.submit({ ...nothing, lane, isHealthCheck: true });
    }
  }

  async function close(): Promise<void> {
    isClosed = true;
    clearInterval(healthChecks);
    scheduler.close();
    await pool.close();
  }

  return {
    describe,
    measure: (head, format) => submit("measure", head, format),
    get isReady() {
      return !isClosed && pool.isReady;
    },
    get expectedMs() {
      return scheduler.heldMs / processes;
    },
    get restarts() {
      return pool.restarts;
    },
    get busy() {
      return pool.members.filter(({ state }) => state === "busy").length;
    },
    get waiting() {
      return scheduler.waiting;
    },
    get children() {
      return pool.members.flatMap(({ process: { pid }, state }) => (pid === null ? [] : [{ pid, state }]));
    },
    async start() {
      try {
        // The whole budget, not three quarters: an estimate may be too low by a third and the picture still decodes.
        sandbox = await detectSandbox(decodeBytes);
        const wrapper = sandbox.commandWithin(posterOwnBytes + decodeBytes * shareOfPoster);
        if (ffmpeg !== null) readPoster = createPosters({ ffmpeg, wrapper, timeoutMs: decodeTimeoutMs, maxWaiting });
        libvips = await pool.start();
      } catch (error) {
        await close();
        const reason = error instanceof Error ? error.message : "unknown";
        throw new Error(`the processes that decode pictures cannot start: ${reason}`, { cause: error });
      }
    },
    enabled: {
      ...(Object.fromEntries(decodableFormats.map((name) => [name, enabledFormats.includes(name)])) as Record<
        DecodableName,
        boolean
      >),
      poster: clips,
    },
    get libvips() {
      return libvips;
    },
    get walls() {
      return sandbox.names;
    },
    close,
  };
}
