import type { WarningCode } from "../../domain/metadata.ts";
import type { Size } from "../../domain/size.ts";
import { type Cost, type DecodableName, type Format, decodableFormats, formats } from "../formats/index.ts";
import { type Lane, type Member, type ProcessState, createPool, lanes } from "./worker-pool.ts";
import { type ReadPoster, createPosters } from "./poster.ts";
import { NotAcceptedError, startProcess } from "./worker-process.ts";
import { type Clip, type Operation, type WorkerAnswer, parseAnswer } from "../protocol.ts";
import { type Sandbox, detectSandbox } from "./sandbox.ts";

/** The result of decoding a body; a field is null if it is unknown. */
export interface Picture {
  /** In pixels, as displayed. */
  readonly width: number | null;
  readonly height: number | null;
  readonly animated: boolean | null;
  readonly durationMs: number | null;
  /** 28 characters: 4 x 3 components. */
  readonly blurhash: string | null;
  /** Base64. */
  readonly thumbhash: string | null;
  readonly warning: WarningCode | null;
  readonly queueMs: number;
  readonly decodeMs: number;
  readonly hashMs: number;
}

export interface DecoderOptions {
  /** The program of the processes, built: `dist/media/worker/main.js`. */
  readonly entry: URL;
  /** Workers in the quick lane, one picture each; the slow lane has one more. */
  readonly processes: number;
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

/** A result with the beginning of a video, whose poster frame is still to be decoded. */
interface Learnt extends Picture {
  readonly clip: Clip | null;
}

interface Job {
  readonly operation: Operation;
  readonly body: Uint8Array;
  readonly format: Format;
  readonly askedAt: number;
  lane: Lane;
  /** Priority in the lane: the earliest goes first. */
  dueAt: number;
  /** Attempts with a worker that did not accept the job. */
  untaken: number;
  isSettled: boolean;
  /** Resolves the job, once; later calls do nothing. */
  readonly settle: (learnt: Partial<Learnt>) => void;
}

// Memory budget: three quarters for the one slow picture, so that it cannot lock out the others. The quick workers
// share the rest equally: the sum stays within the budget, and no quick picture ever waits for memory.
const shareOfSlow = 0.75;
// Bound of a quick decode, and so of the wait behind one: 70 ms is a JPEG of 12 megapixels, or a PNG of 5.
const quickMs = 70;
// Bound of a quick body: sending a larger one to a worker takes 0.1 s while all workers receive.
const maxQuickBytes = 5 * 1024 ** 2;
// A quick picture that exceeds its estimate by so much is a pixel bomb, or the machine is busy with some.
const longestQuickMs = 300;
// The same for readers: the first file loads the library, which takes 0.1 s, more on a busy machine.
const longestReaderMs = 1000;
// Shortest job first, with aging: a job is due ten times its expected duration after its arrival, so that small
// pictures overtake large ones; after 5 s at most even a bomb is ahead of every new job.
const patience = 10;
const longestPatienceMs = 5_000;
// Estimated time from the head alone, which may lie: coefficients take time by the byte, pixels by the pixel.
const guessedNanoseconds = { byte: 20, pixel: 15 };
const guessedPixels = 1e6; // if the head has no size
const guessHeadBytes = 64 * 1024; // upper bound of the parsing in this process
const checkMs = 5_000;
const shareOfLatest = 0.1; // weight of the newest sample in the moving average
const [anyFormat] = formats as readonly [Format];
// ffmpeg's output format: with ffmpeg the workers read it, even if the setting disables it for other files.
const posterName = "bmp";
// ffmpeg's memory limit: a 4K frame takes some 90 MB besides the program's own. A clip that needs more has no poster.
// It comes on top of the decode budget.
const shareOfPoster = 0.25;
const posterOwnBytes = 64 * 1024 ** 2;
// Retries of an unaccepted job: every worker may have been stopped, or just killed.
const maxUntaken = 4;
// 16383 x 16383, sharp's own limit against pixel bombs: decoding in a stream needs little memory, but still time.
const maxPixels = 0x3fff ** 2;
// A hostile header may make a healthy worker answer with a value out of range. That costs the one picture, not the
// worker: else a caller could keep all workers restarting with 72-byte files. The trade-off: a compromised worker
// lives on as well. It could do so before, since false answers within the rules are never detected. Three in a row
// replace the worker, whose state may be corrupt.
const maxInvalidInARow = 3;
// Worker recycling: a restart frees the memory that decodes leave behind (fragmentation, libraries' tables). It takes
// 0.2 s and delays no request: after thousands of decodes, or if far more stays than the 300 MB of a good load.
const maxDecodes = 5_000;
const maxRestingBytes = 512 * 1024 ** 2;

const nothing: Learnt = Object.freeze({
  width: null,
  height: null,
  animated: null,
  durationMs: null,
  blurhash: null,
  thumbhash: null,
  warning: null,
  queueMs: 0,
  decodeMs: 0,
  hashMs: 0,
  clip: null,
});

export function createDecoder(options: DecoderOptions): Decoder {
  const { entry, environment = {}, processes, decodeTimeoutMs, decodeBytes, maxWaiting, ffmpeg } = options;
  const on = decodableFormats.filter((name) => options.formats.includes(name));
  const posterFormat = formats.find(({ name }) => name === posterName) ?? anyFormat;
  const clips = ffmpeg !== null && on.includes("video");
  const settings = { formats: clips ? [...new Set([...on, posterName] as const)] : on, clips };
  let walls: Sandbox = { names: [], command: [], commandWithin: () => [] };
  let readPoster: ReadPoster = () => Promise.resolve(null);
  const pool = createPool({
    processes,
    startProcess: () => startProcess({ entry, settings, environment, wrapper: walls.command }),
    onFree: assign,
  });
  const allowed: Readonly<Record<Lane, Cost>> = {
    quick: { bytes: (decodeBytes * (1 - shareOfSlow)) / processes, milliseconds: quickMs },
    slow: { bytes: decodeBytes * shareOfSlow, milliseconds: Infinity },
  };
  // In order of arrival. A queue for each lane: a thousand slow pictures must not crowd out a quick one.
  const waiting: Readonly<Record<Lane, Map<Job, NodeJS.Timeout>>> = { quick: new Map(), slow: new Map() };
  const checks = setInterval(check, checkMs).unref();
  const invalidInARow = new WeakMap<Member, number>();
  let isClosed = false;
  let libvips: string | null = null;
  let jobs = 0;
  let heldMs = 0; // moving average: how long a quick picture keeps its worker

  function enqueue(job: Job): void {
    if (job.isSettled) return;
    const giveUp = () => job.settle({ warning: "decode_timeout", queueMs: performance.now() - job.askedAt });
    waiting[job.lane].set(job, setTimeout(giveUp, decodeTimeoutMs));
    assign();
  }

  function leave(job: Job): void {
    clearTimeout(waiting[job.lane].get(job));
    waiting[job.lane].delete(job);
  }

  /** Dispatches queued pictures to idle workers. */
  function assign(): void {
    for (const lane of lanes) {
      if (!pool.isFree(lane)) continue;
      for (const job of [...waiting[lane].keys()].sort((a, b) => a.dueAt - b.dueAt)) {
        const member = pool.take(lane);
        if (!member) break;
        leave(job);
        void run(job, member);
      }
    }
  }

  async function run(job: Job, member: Member): Promise<void> {
    const { operation, body, format, lane } = job;
    const begunAt = performance.now();
    const queueMs = begunAt - job.askedAt;
    const number = (jobs = (jobs + 1) % 2 ** 32);
    const request = { number, operation, format, bytes: body.byteLength, allowed: allowed[lane] };
    const timers: NodeJS.Timeout[] = [];
    let answer: WorkerAnswer | "invalid" | null = null;
    let clip: Clip | null = null;
    let wasTaken = true;
    try {
      const begun = await member.process.ask(request, body);
      timers.push(
        setTimeout(end, decodeTimeoutMs),
        setTimeout(demote, isByReader(format) ? longestReaderMs : longestQuickMs),
      );
      const message = await begun.answer;
      answer = parseAnswer(message.line, number);
      if (answer && answer !== "invalid" && answer.clipBytes > 0) clip = { ...clipIn(answer), bytes: message.clip };
    } catch (error) {
      wasTaken = !(error instanceof NotAcceptedError);
    }
    timers.forEach(clearTimeout);
    if (member.state === "leaving") return; // discarded by a timer, which also settled or requeued the picture
    if (!answer) {
      pool.discard(member); // it died, or broke the protocol
      // Retry only a picture that was not accepted: one that crashes its worker would crash two. That holds for
      // SIGKILL too: the kernel's OOM killer sends it because of the picture.
      if (isClosed) return job.settle({ warning: "decode_timeout", queueMs });
      if (wasTaken || job.untaken >= maxUntaken) return job.settle({ warning: "decode_failed", queueMs });
      job.untaken += 1;
      return enqueue(job);
    }
    if (lane === "quick") heldMs += shareOfLatest * (performance.now() - begunAt - heldMs);
    const valid = answer === "invalid" ? null : answer;
    const invalid = valid ? 0 : (invalidInARow.get(member) ?? 0) + 1;
    invalidInARow.set(member, invalid);
    if (valid) pool.proven(member);
    const isWorn = member.taken >= maxDecodes || (valid?.rssBytes ?? 0) > maxRestingBytes;
    if (isWorn || invalid >= maxInvalidInARow) pool.discard(member);
    else pool.giveBack(member);
    if (!valid) job.settle({ warning: "decode_failed", queueMs });
    else if (lane === "quick" && isForSlow(valid)) enqueueSlow(valid.expectedMs);
    else job.settle({ ...learntFrom(valid), clip, queueMs });

    function end(): void {
      job.settle({ warning: "decode_timeout", queueMs, decodeMs: decodeTimeoutMs });
      pool.discard(member);
    }

    /** Moves an overdue picture to the slow lane: in place if that is free, else by a kill and a restart. */
    function demote(): void {
      if (lane === "slow" || pool.slowDown(member)) return;
      pool.discard(member);
      enqueueSlow(guessMs(job)); // ahead of the others there: perhaps only the machine was busy
    }

    function enqueueSlow(expectedMs: number): void {
      job.lane = "slow";
      job.dueAt = dueIn(expectedMs);
      enqueue(job);
    }
  }

  /** Whether the picture exceeds the work budget of the quick lane, but not that of the slow lane. */
  function isForSlow({ warning, expectedBytes, width, height }: WorkerAnswer): boolean {
    const pixels = (width ?? 0) * (height ?? 0);
    return warning === "too_many_pixels" && expectedBytes <= allowed.slow.bytes && pixels <= maxPixels;
  }

  async function ask(operation: Operation, body: Uint8Array, format: Format, signal?: AbortSignal): Promise<Learnt> {
    const { decoding, readSize } = format;
    const isLarge = body.byteLength > maxQuickBytes;
    if (!decoding || !on.some((name) => name === decoding.setting)) {
      if (!readSize) return nothing;
      const lane = isLarge ? "slow" : "quick";
      return { ...(await submit({ operation: "measure", body, format, lane }, signal)), warning: null };
    }
    const lane = decoding.isUnpredictable || isLarge ? "slow" : "quick";
    return submit({ operation, body, format, lane }, signal);
  }

  type Question = Pick<Job, "operation" | "body" | "format" | "lane">;

  function submit(question: Question, signal?: AbortSignal): Promise<Learnt> {
    const { lane } = question;
    if (isClosed || signal?.aborted) return Promise.resolve({ ...nothing, warning: "decode_timeout" });
    if (waiting[lane].size >= maxWaiting && !pool.isFree(lane)) {
      return Promise.resolve({ ...nothing, warning: "decode_timeout" });
    }
    return new Promise((resolve) => {
      const askedAt = performance.now();
      const giveUp = () => settle({ warning: "decode_timeout", queueMs: performance.now() - askedAt });
      const settle = (learnt: Partial<Learnt>) => {
        signal?.removeEventListener("abort", giveUp);
        leave(job);
        job.isSettled = true;
        resolve({ ...nothing, ...(learnt.warning && sizeInHead(question)), ...learnt });
      };
      const dueAt = dueIn(lane === "slow" ? Infinity : guessMs(question));
      const job: Job = { ...question, askedAt, dueAt, untaken: 0, isSettled: false, settle };
      signal?.addEventListener("abort", giveUp, { once: true });
      enqueue(job);
    });
  }

  async function describe(body: Uint8Array, format: Format, signal?: AbortSignal): Promise<Picture> {
    const { clip, ...picture } = await ask("describe", body, format, signal);
    return clip ? addPoster(picture, clip, signal) : picture;
  }

  /** Adds the hashes of the poster frame to the metadata of a video. */
  async function addPoster(video: Picture, clip: Clip, signal?: AbortSignal): Promise<Picture> {
    const { width, height } = video;
    const began = performance.now();
    const bitmap = width && height ? await readPoster({ ...clip, displayed: { width, height } }) : null;
    if (!bitmap) return video.blurhash ? video : { ...video, warning: "decode_failed" };
    const decodeMs = video.decodeMs + performance.now() - began;
    const frame = await submit({ operation: "describe", body: bitmap, format: posterFormat, lane: "quick" }, signal);
    const { blurhash, thumbhash, warning } = frame;
    return {
      ...video,
      ...(blurhash && { blurhash, thumbhash }),
      warning,
      queueMs: video.queueMs + frame.queueMs,
      decodeMs: decodeMs + frame.decodeMs,
      hashMs: video.hashMs + frame.hashMs,
    };
  }

  /** Health check: sends an empty body to the longest idle worker of each lane, to find a hung one early. */
  function check(): void {
    for (const lane of lanes) {
      if (pool.isFree(lane)) void submit({ operation: "measure", body: new Uint8Array(), format: anyFormat, lane });
    }
  }

  async function close(): Promise<void> {
    isClosed = true;
    clearInterval(checks);
    for (const job of lanes.flatMap((lane) => [...waiting[lane].keys()])) job.settle({ warning: "decode_timeout" });
    await pool.close();
  }

  return {
    describe,
    measure: (head, format) => ask("measure", head, format),
    get isReady() {
      return !isClosed && pool.members.some(({ state }) => state === "idle" || state === "busy");
    },
    get expectedMs() {
      return heldMs / processes;
    },
    get restarts() {
      return pool.restarts;
    },
    get busy() {
      return pool.members.filter(({ state }) => state === "busy").length;
    },
    get waiting() {
      return waiting.quick.size + waiting.slow.size;
    },
    get children() {
      return pool.members.flatMap(({ process: { pid }, state }) => (pid === null ? [] : [{ pid, state }]));
    },
    async start() {
      try {
        // The whole budget, not three quarters: an estimate may be too low by a third and the picture still decodes.
        walls = await detectSandbox(decodeBytes);
        const wrapper = walls.commandWithin(posterOwnBytes + decodeBytes * shareOfPoster);
        if (ffmpeg !== null) readPoster = createPosters({ ffmpeg, wrapper, timeoutMs: decodeTimeoutMs, maxWaiting });
        libvips = await pool.start();
      } catch (error) {
        await close();
        const reason = error instanceof Error ? error.message : "unknown";
        throw new Error(`the processes that decode pictures cannot start: ${reason}`, { cause: error });
      }
    },
    enabled: {
      ...(Object.fromEntries(decodableFormats.map((name) => [name, on.includes(name)])) as Record<
        DecodableName,
        boolean
      >),
      poster: clips,
    },
    get libvips() {
      return libvips;
    },
    get walls() {
      return walls.names;
    },
    close,
  };
}

function isByReader({ decoding }: Format): boolean {
  return decoding !== null && "reader" in decoding;
}

function dueIn(expectedMs: number): number {
  return performance.now() + Math.min(longestPatienceMs, patience * expectedMs);
}

/** The size in the head: reported even if no worker took the picture, or none finished. */
function sizeInHead({ body, format }: Pick<Job, "body" | "format">): Size | null {
  return format.readSize?.(body.subarray(0, guessHeadBytes)) ?? null;
}

function guessMs(job: Pick<Job, "body" | "format">): number {
  const { body } = job;
  const size = sizeInHead(job);
  const pixels = size ? size.width * size.height : guessedPixels;
  return (body.byteLength * guessedNanoseconds.byte + pixels * guessedNanoseconds.pixel) / 1e6;
}

function clipIn({ container, rotation }: WorkerAnswer): Omit<Clip, "bytes"> {
  return { container, rotation };
}

function learntFrom(answer: WorkerAnswer) {
  const { width, height, animated, durationMs, blurhash, thumbhash, warning, decodeMs, hashMs } = answer;
  return { width, height, animated, durationMs, blurhash, thumbhash, warning, decodeMs, hashMs };
}
