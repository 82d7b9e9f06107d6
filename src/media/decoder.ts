import type { WarningCode } from "../domain/metadata.ts";
import { type Format, type FormatName, decodableFormats } from "./formats.ts";
import { type Member, type ProcessState, createPool } from "./pool.ts";
import { startProcess } from "./process.ts";
import { type Answer, type Operation, parseAnswer } from "./protocol.ts";

/** What the pixels of a body tell; null where they do not. */
export interface Picture {
  /** In pixels, as displayed. */
  readonly width: number | null;
  readonly height: number | null;
  readonly animated: boolean | null;
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
  /** The program of the processes, built: `dist/media/child.js`. */
  readonly entry: URL;
  /** Pictures decoded at once, each in a process of its own. */
  readonly processes: number;
  /** How long a picture may wait for a process, and how long it may then keep it. */
  readonly decodeTimeoutMs: number;
  /** Memory that all decodes together may be expected to take. */
  readonly decodeBytes: number;
  /** Pictures that wait; past it the answer is `decode_timeout` at once. */
  readonly maxWaiting: number;
  /** The formats that are on; those without pixels do not matter. */
  readonly formats: readonly FormatName[];
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
  /** Processes that were replaced: killed at the time limit, crashed or worn out. */
  readonly restarts: number;
  readonly busy: number;
  readonly waiting: number;
  /** The processes that live, for the operator and for tests. */
  readonly children: readonly { readonly pid: number; readonly state: ProcessState }[];
  /** @throws Error where a process cannot start: sharp is missing, or a loader that should be blocked is not */
  start(): Promise<void>;
  /** Ends the processes; pictures under way are `decode_failed`. */
  close(): Promise<void>;
}

interface Job {
  readonly operation: Operation;
  readonly body: Uint8Array;
  readonly format: Format;
  readonly askedAt: number;
  /** Gives the outcome, once; later calls do nothing. */
  readonly settle: (learnt: Partial<Picture>) => void;
}

// Three quarters of what all may take: one alone must not lock out all others.
const shareOfOne = 0.75;
// What a decode leaves behind (fragments, libraries' tables) is given back by starting anew: 0.2 s of a process that
// nobody waits for, after thousands of decodes, or where more stays than the 300 MB that a good load left.
const maxDecodes = 5_000;
const maxRestingBytes = 512 * 1024 ** 2;

const nothing: Picture = Object.freeze({
  width: null,
  height: null,
  animated: null,
  blurhash: null,
  thumbhash: null,
  warning: null,
  queueMs: 0,
  decodeMs: 0,
  hashMs: 0,
});

export function createDecoder(options: DecoderOptions): Decoder {
  const { entry, environment = {}, processes, decodeTimeoutMs, maxWaiting } = options;
  const on = decodableFormats.filter((name) => options.formats.includes(name));
  const settings = { formats: on, maxDecodeBytes: options.decodeBytes * shareOfOne };
  const pool = createPool({
    processes,
    startProcess: () => startProcess({ entry, settings, environment }),
    onFree: assign,
  });
  const waiting = new Set<Job>(); // in the order they came
  let isClosed = false;
  let jobs = 0;

  /** Gives waiting pictures to idle processes. The place to weigh what all decodes together will take. */
  function assign(): void {
    for (const job of waiting) {
      const member = pool.take();
      if (!member) return;
      waiting.delete(job);
      void run(job, member);
    }
  }

  async function run({ operation, body, format, askedAt, settle }: Job, member: Member): Promise<void> {
    const queueMs = performance.now() - askedAt;
    const timer = setTimeout(() => {
      settle({ warning: "decode_timeout", queueMs, decodeMs: decodeTimeoutMs });
      pool.discard(member);
    }, decodeTimeoutMs);
    const number = (jobs = (jobs + 1) % 2 ** 32);
    const request = { number, operation, format, bytes: body.byteLength };
    const line = await member.process.ask(request, body).catch(() => null);
    clearTimeout(timer);
    const answer = line === null ? null : parseAnswer(line, number);
    if (!answer) {
      settle({ warning: "decode_failed", queueMs });
      pool.discard(member); // it died, or says what no healthy one would
      return;
    }
    pool.proven();
    settle({ ...learntFrom(answer), queueMs });
    if (member.taken >= maxDecodes || answer.rssBytes > maxRestingBytes) pool.discard(member);
    else pool.giveBack(member);
  }

  function ask(operation: Operation, body: Uint8Array, format: Format, signal?: AbortSignal): Promise<Picture> {
    if (!on.some((name) => name === format.decoding?.setting)) return Promise.resolve(nothing);
    if (isClosed || signal?.aborted) return Promise.resolve({ ...nothing, warning: "decode_failed" });
    if (waiting.size >= maxWaiting && !pool.isFree) return Promise.resolve({ ...nothing, warning: "decode_timeout" });
    return new Promise((resolve) => {
      const askedAt = performance.now();
      const giveUp = () => settle({ warning: "decode_timeout", queueMs: performance.now() - askedAt });
      const timer = setTimeout(() => {
        if (waiting.has(job)) giveUp(); // once it runs, `run` has its own limit
      }, decodeTimeoutMs);
      const settle = (learnt: Partial<Picture>) => {
        clearTimeout(timer);
        signal?.removeEventListener("abort", giveUp);
        waiting.delete(job);
        resolve({ ...nothing, ...learnt });
      };
      const job: Job = { operation, body, format, askedAt, settle };
      signal?.addEventListener("abort", giveUp, { once: true });
      waiting.add(job);
      assign();
    });
  }

  async function close(): Promise<void> {
    isClosed = true;
    for (const job of waiting) job.settle({ warning: "decode_failed" });
    await pool.close();
  }

  return {
    describe: (body, format, signal) => ask("describe", body, format, signal),
    measure: (head, format) => ask("measure", head, format),
    get isReady() {
      return !isClosed && pool.members.some(({ state }) => state === "idle" || state === "busy");
    },
    get restarts() {
      return pool.restarts;
    },
    get busy() {
      return pool.members.filter(({ state }) => state === "busy").length;
    },
    get waiting() {
      return waiting.size;
    },
    get children() {
      return pool.members.map(({ process, state }) => ({ pid: process.pid, state }));
    },
    async start() {
      try {
        await pool.start();
      } catch (error) {
        await close();
        const reason = error instanceof Error ? error.message : "unknown";
        throw new Error(`the processes that decode pictures cannot start: ${reason}`, { cause: error });
      }
    },
    close,
  };
}

function learntFrom({ width, height, animated, blurhash, thumbhash, warning, decodeMs, hashMs }: Answer) {
  return { width, height, animated, blurhash, thumbhash, warning, decodeMs, hashMs };
}
