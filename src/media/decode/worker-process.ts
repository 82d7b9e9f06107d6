import { existsSync, realpathSync } from "node:fs";
import { createRequire } from "node:module";
import { getPriority, setPriority } from "node:os";
import { dirname, join } from "node:path";
import type { Duplex, Readable } from "node:stream";
import { fileURLToPath } from "node:url";
import {
  type WorkerSettings,
  type Request,
  clipBytesBehind,
  encodeRequest,
  isTaken,
  maxLineBytes,
  parseGreeting,
} from "../protocol.ts";
import { startProgram } from "./start-program.ts";

export interface ProcessOptions {
  /** `worker/main.js`, built: workers run without a TypeScript loader. */
  readonly entry: URL;
  readonly settings: WorkerSettings;
  /** Extra environment variables, such as a preloaded allocator; the service's own environment is not inherited. */
  readonly environment: Readonly<Record<string, string>>;
  /** Command prefix of the sandbox: `sandbox.ts`. */
  readonly wrapper: readonly string[];
}

/** A message from a worker: a line of JSON, and perhaps a clip. */
export interface Message {
  readonly line: string;
  /** Empty after most lines. */
  readonly clip: Uint8Array;
}

/** A running worker process. */
export interface DecoderProcess {
  /** Null if it could not be started. */
  readonly pid: number | null;
  /** Resolves with the version of the loaded libvips; rejects if the process ends before it is ready. */
  readonly ready: Promise<string>;
  /** Resolves when the process has ended, for any reason; never rejects. */
  readonly ended: Promise<void>;
  /**
   * Sends a request, and resolves when the worker accepts it. One at a time.
   *
   * @returns the answer, still to come; it rejects if the process ends first
   * @throws NotAcceptedError if the process ended, or hung, before it read the request
   */
  ask(request: Request, body: Uint8Array): Promise<{ readonly answer: Promise<Message> }>;
  /** Lowers the priority (nice) for good: only a privileged user may raise it again. */
  slowDown(): void;
  kill(): void;
}

/** The worker never read the body, so the body cannot be the cause: it is safe to retry. */
export class NotAcceptedError extends Error {
  override readonly name = "NotAcceptedError";
}

// Heap limit for JavaScript objects, against files with false counts. Pixels are outside the heap.
const heapMegabytes = 256;
// Small young generation: saves 20 MB a process against the default, and is as fast.
const frugal = ["--max-semi-space-size=2", "--v8-pool-size=1"];
const startTimeoutMs = 30_000; // a start takes 0.2 s on an idle machine
// An idle worker accepts a request in less than 1 ms, on a busy machine in a few tens of milliseconds. A hung one
// (SIGSTOP, a frozen disk) never does.
const takeTimeoutMs = 1500;
// Under contention a tenth of the CPU time, else all of it.
const slowNiceness = 10;

/**
 * Starts a worker in its sandbox. If the system has no descriptor, process or memory left, `ready` rejects and `ended`
 * resolves.
 *
 * Node's permission model: the worker's JavaScript may read only itself and the libraries, write nothing and start
 * nothing. That binds neither native code nor the network nor signals: see `sandbox.ts`, and the container or the
 * service manager.
 */
export function startProcess({ entry, settings, environment, wrapper }: ProcessOptions): DecoderProcess {
  const node = [
    process.execPath,
    ...permissions(entry),
    `--max-old-space-size=${heapMegabytes}`,
    ...frugal,
    "--no-warnings",
    fileURLToPath(entry),
  ];
  const { child, failure } = startProgram([...wrapper, ...node, JSON.stringify(settings)], {
    stdio: ["ignore", "ignore", "pipe", "pipe"],
    // glibc's default of eight arenas a core doubles the resident memory after decoding (603 MB against 298 MB).
    env: { MALLOC_ARENA_MAX: "2", ...environment },
  });
  if (!child) return neverStarted(failure);
  const [, , stderr, channel] = child.stdio as unknown as [null, null, Readable, Duplex, undefined];
  const due: { resolve: (message: Message) => void; reject: (error: Error) => void }[] = []; // expected messages
  let isGone = false;
  let errors = "";
  let text = "";
  let line: string | undefined; // a line whose clip has not arrived yet

  /** Takes the next message from the text, if it is complete. */
  function nextMessage(): Message | undefined {
    if (line === undefined) {
      const end = text.indexOf("\n");
      if (end < 0) return undefined;
      line = text.slice(0, end);
      text = text.slice(end + 1);
    }
    const clipBytes = clipBytesBehind(line);
    if (text.length < clipBytes) return undefined;
    const message = { line, clip: Buffer.from(text.slice(0, clipBytes), "latin1") };
    text = text.slice(clipBytes);
    line = undefined;
    return message;
  }

  const ended = new Promise<void>((resolve) => {
    const end = () => {
      isGone = true;
      child.kill("SIGKILL");
      for (const { reject } of due.splice(0)) reject(new Error(errors.trim() || "it ended"));
      resolve();
    };
    child.once("exit", () => (isGone = true));
    channel.once("close", end); // not at "exit": the last message may still be unread then
  });
  channel.on("error", ignore); // EPIPE and the like: "close" follows
  channel.setEncoding("latin1").on("data", (chunk: string) => {
    text += chunk;
    for (let message = nextMessage(); message; message = nextMessage()) {
      const taker = due.shift();
      if (!taker) return void child.kill("SIGKILL"); // unsolicited message
      taker.resolve(message);
    }
    if (line === undefined && text.length > maxLineBytes) child.kill("SIGKILL");
  });
  stderr.setEncoding("utf8").on("data", (chunk: string) => void (errors = (errors + chunk).slice(0, 2000)));
  stderr.on("error", ignore);

  const message = () => new Promise<Message>((resolve, reject) => due.push({ resolve, reject }));
  const timer = setTimeout(() => child.kill("SIGKILL"), startTimeoutMs);
  const ready = message()
    .then(({ line }) => {
      const greeting = parseGreeting(line);
      if ("fault" in greeting) throw new Error(greeting.fault);
      stderr.destroy(); // needed only for start errors; from now on a picture might write there
      return greeting.libvips;
    })
    .finally(() => clearTimeout(timer));
  ready.catch(() => child.kill("SIGKILL"));

  return {
    pid: child.pid,
    ready,
    ended,
    async ask(request, body) {
      if (isGone) throw new NotAcceptedError("it has ended");
      const [taken, answer] = [message(), message()];
      answer.catch(ignore);
      channel.cork();
      channel.write(encodeRequest(request));
      channel.write(body); // written as the process reads: no copy, and nothing blocks
      channel.uncork();
      const timer = setTimeout(() => child.kill("SIGKILL"), takeTimeoutMs);
      const { line } = await taken
        .catch((error: unknown) => {
          throw new NotAcceptedError("it took nothing", { cause: error });
        })
        .finally(() => clearTimeout(timer));
      if (!isTaken(line, request.number)) throw new Error("it says what no healthy one would");
      return { answer };
    },
    slowDown() {
      try {
        setPriority(child.pid, Math.min(19, getPriority() + slowNiceness));
      } catch {
        // it has just ended, or the system has no priorities: it keeps its priority
      }
    },
    kill: () => void child.kill("SIGKILL"),
  };
}

/** Stands for a process that failed to start: rejects all requests, and has nothing to kill. */
function neverStarted(failure: Promise<Error>): DecoderProcess {
  const ready = failure.then((error) => Promise.reject(error));
  ready.catch(ignore);
  return {
    pid: null,
    ready,
    ended: failure.then(ignore),
    ask: () => Promise.reject(new NotAcceptedError("it was never started")),
    slowDown: ignore,
    kill: ignore,
  };
}

/** Ignores errors that another event reports too: without a listener they would be uncaught. */
function ignore(): void {
  // nothing to do
}

// The decoding libraries that the build does not bundle with the worker, each loaded at first use.
const libraries = ["sharp", "libheif-js", "@jsquash/jxl", "@hyzyla/pdfium"];

const computed = new Map<string, readonly string[]>();

/** Builds Node's permission flags; memoized by entry, since no file moves while the service runs. */
function permissions(entry: URL): readonly string[] {
  const known = computed.get(entry.href);
  if (known) return known;
  // Nothing of the service, which the build puts elsewhere.
  const folders = [dirname(fileURLToPath(entry)), ...libraries.flatMap((name) => packageFolders(entry, name))];
  const readable = folders.map((folder) => join(folder, "*"));
  // Node 20 has only the experimental flag.
  const stable = process.allowedNodeEnvironmentFlags.has("--permission");
  const flags = [
    stable ? "--permission" : "--experimental-permission",
    "--allow-addons",
    // One flag a path: newer versions reject a comma-separated list.
    ...[...new Set(readable)].map((path) => `--allow-fs-read=${path}`),
  ];
  computed.set(entry.href, flags);
  return flags;
}

/** Resolves the folders of a package and its dependencies as Node would from a file. */
function packageFolders(from: URL | string, name: string): string[] {
  const places = createRequire(from).resolve.paths(name) ?? [];
  const folder = places.map((place) => join(place, name)).find((candidate) => existsSync(candidate));
  if (!folder) return []; // one for another platform
  const manifest = join(folder, "package.json");
  const { dependencies = {}, optionalDependencies = {} } = createRequire(from)(manifest) as {
    dependencies?: Record<string, string>;
    optionalDependencies?: Record<string, string>;
  };
  const needed = Object.keys({ ...dependencies, ...optionalDependencies });
  return [folder, realpathSync(folder), ...needed.flatMap((other) => packageFolders(manifest, other))];
}
