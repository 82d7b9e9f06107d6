import type { WarningCode } from "../../domain/metadata.ts";
import type { Size } from "../../domain/size.ts";
import { type Cost, type DecodableName, type Format, decodableFormats, formats } from "../formats/index.ts";
import { type Lane, type Member, type ProcessState, createPool, lanes } from "./worker-pool.ts";
import { type ReadPoster, createPosters } from "./poster.ts";
import { NotAcceptedError, startProcess } from "./worker-process.ts";
import { type WorkerAnswer, type Operation, parseAnswer } from "../protocol.ts";
import type { Clip } from "../worker/reader.ts";
import { type Sandbox, detectSandbox } from "./sandbox.ts";

/** What the pixels of a body tell; null where they do not. */
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
  /** Pictures decoded at once, each in a process of its own; one more where it is a slow one. */
  readonly processes: number;
  /** How long a picture may wait for a process, and how long it may then keep it. */
  readonly decodeTimeoutMs: number;
  /** Memory that all decodes together may be expected to take. */
  readonly decodeBytes: number;
  /** Pictures that wait, and again as many slow ones; past it the answer is `decode_timeout` at once. */
  readonly maxWaiting: number;
  /** What is decoded; of all else only the size is told, where the first bytes do. */
  readonly formats: readonly DecodableName[];
  /** The path of ffmpeg, which decodes a frame of videos; null where there is none, and so no hash of them. */
  readonly ffmpeg: string | null;
  /** Variables for the processes, such as a preloaded allocator; they see nothing else of ours. */
  readonly environment?: Readonly<Record<string, string>>;
}

/** Decodes pictures in processes that may die: a crash, a hang or a blow-up costs one picture, never the service. */
export interface Decoder {
  /** Dimensions and hashes. Never rejects: a bad file is nulls and a warning; a format that is off is nulls alone. */
  describe(body: Uint8Array, format: Format, signal?: AbortSignal): Promise<Picture>;
  /** Dimensions alone, from a body or its first bytes. Never rejects. */
  measure(head: Uint8Array, format: Format): Promise<Picture>;
  /** Whether a picture that came now would find a process. */
  readonly isReady: boolean;
  /** What a picture takes of the processes together, lately; 0 where none was looked at. */
  readonly expectedMs: number;
  /** Processes that were replaced: killed at the time limit, crashed or worn out. */
  readonly restarts: number;
  readonly busy: number;
  readonly waiting: number;
  /** The processes that live, for the operator and for tests. */
  readonly children: readonly { readonly pid: number; readonly state: ProcessState }[];
  /** What keeps a process that a picture took over from the machine: `permissions`, and what works here of `walls.ts`. */
  readonly walls: readonly string[];
  /** Which version decodes; null before the start. */
  readonly libvips: string | null;
  /** What is looked into, by the settings' names; `poster`: frames of videos. */
  readonly enabled: Readonly<Record<DecodableName | "poster", boolean>>;
  /** @throws Error where a process cannot start: sharp is missing, or a loader that should be blocked is not */
  start(): Promise<void>;
  /** Ends the processes; pictures under way are `decode_timeout`, which nobody remembers for long. */
  close(): Promise<void>;
}

/** With the beginning of a video, whose frame is still to be decoded. */
interface Learnt extends Picture {
  readonly clip: Clip | null;
}

interface Job {
  readonly operation: Operation;
  readonly body: Uint8Array;
  readonly format: Format;
  readonly askedAt: number;
  lane: Lane;
  /** Whoever's comes first is next in the lane. */
  dueAt: number;
  /** How often it was given to a process that did not take it. */
  untaken: number;
  isSettled: boolean;
  /** Gives the outcome, once; later calls do nothing. */
  readonly settle: (learnt: Partial<Learnt>) => void;
}

// Of the memory for all, the slow picture has three quarters: one alone must not lock out all others. The rest is
// shared out among those that are quick, so that all together stay within it and nobody waits for memory but the
// slow ones for one another.
const shareOfSlow = 0.75;
// A small picture shall never wait for long, whatever is before it: 70 ms is a JPEG of 12 megapixels, or a PNG of 5.
const quickMs = 70;
// Nor for bytes: while all processes want some, those of one large body take a tenth of a second to its process.
const maxQuickBytes = 5 * 1024 ** 2;
// What takes so long without having looked so is a bomb, or the machine is busy with some.
const longestQuickMs = 300;
// Of what a reader reads: the first one in a process loads its library, which takes a tenth of a second, more on a busy machine.
const longestReaderMs = 1000;
// A picture goes before those that came up to ten times earlier than it is expected to take less: so many large ones
// need not be gone through first. After the longest patience even a bomb goes before all that come.
const patience = 10;
const longestPatienceMs = 5_000;
// A guess by the head alone, which may lie: coefficients take time by the byte, pixels by the pixel.
const guessedNanoseconds = { byte: 20, pixel: 15 };
const guessedPixels = 1e6; // where the head does not tell
const guessHeadBytes = 64 * 1024; // no more is gone through in this process
const checkMs = 5_000;
const shareOfLatest = 0.1; // in the mean of what pictures took: one alone says little
const [anyFormat] = formats as readonly [Format];
// What ffmpeg gives a frame in: the processes read it where there is ffmpeg, also where nobody else's is read.
const posterName = "bmp";
// One frame of 4K takes some 90 MB besides the program's own; what takes more has no poster. It comes on top of what all
// decodes together may take.
const shareOfPoster = 0.25;
const posterOwnBytes = 64 * 1024 ** 2;
// Every process there is may have been stopped, or just killed.
const maxUntaken = 4;
// 16383 x 16383, as sharp has it: what streams through little memory takes its time all the same.
const maxPixels = 0x3fff ** 2;
// A hostile header may make a healthy worker answer with a value out of range. That costs the one picture, not the worker: else a caller
// could keep all workers restarting with 72-byte files. The trade-off: a worker that a picture took over lives on as well. It could do so
// before, since false answers within the rules are never detected. Three in a row replace the worker, whose state may be corrupt.
const maxInvalidInARow = 3;
// What a decode leaves behind (fragments, libraries' tables) is given back by starting anew: 0.2 s of a process that
// nobody waits for, after thousands of decodes, or where more stays than the 300 MB that a good load left.
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
  // In the order they came. Each lane has a row of its own: a thousand slow ones shall not turn a quick one away.
  const waiting: Readonly<Record<Lane, Map<Job, NodeJS.Timeout>>> = { quick: new Map(), slow: new Map() };
  const checks = setInterval(check, checkMs).unref();
  const invalidInARow = new WeakMap<Member, number>();
  let isClosed = false;
  let libvips: string | null = null;
  let jobs = 0;
  let heldMs = 0; // how long a quick picture keeps its process, lately

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

  /** Gives waiting pictures to idle processes. */
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
    if (member.state === "leaving") return; // by one of the timers, which saw to the picture
    if (!answer) {
      pool.discard(member); // it died, or answers what it was not asked
      // Only a picture that was not looked at is tried again, or one that crashes its process would crash two. That
      // holds for SIGKILL too: where memory is short, the system sends it for the picture's sake.
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

    /** Takes what is not so quick after all out of the quick ones' way: where it is, or it must begin anew. */
    function demote(): void {
      if (lane === "slow" || pool.slowDown(member)) return;
      pool.discard(member);
      enqueueSlow(guessMs(job)); // and first there: perhaps it was only the machine that was busy
    }

    function enqueueSlow(expectedMs: number): void {
      job.lane = "slow";
      job.dueAt = dueIn(expectedMs);
      enqueue(job);
    }
  }

  /** Whether the picture is too much for a quick one, but not for any. */
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

  /** Adds to what is known of a video the hashes of a frame. */
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

  /** Gives the ones that are idle for longest an empty body, so that one which stands still is found by nobody's picture. */
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
        // All, not three quarters: what the estimates are short of by a third is a picture all the same.
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
  return decoding !== null && "load" in decoding;
}

function dueIn(expectedMs: number): number {
  return performance.now() + Math.min(longestPatienceMs, patience * expectedMs);
}

/** What can be told although nobody looked, or whoever did came to no end. */
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
