import { existsSync, realpathSync } from "node:fs";
import { createRequire } from "node:module";
import { getPriority, setPriority } from "node:os";
import { dirname, join } from "node:path";
import type { Duplex, Readable } from "node:stream";
import { fileURLToPath } from "node:url";
import type { ChildSettings } from "../worker/main.ts";
import { clipBytesBehind, encodeRequest, isTaken, maxLineBytes, parseGreeting, type Request } from "../protocol.ts";
import { startProgram } from "./start-program.ts";

export interface ProcessOptions {
  /** `worker/main.js`, built: the processes run without a loader for TypeScript. */
  readonly entry: URL;
  readonly settings: ChildSettings;
  /** Variables besides our own, such as a preloaded allocator; nothing else of ours reaches the process. */
  readonly environment: Readonly<Record<string, string>>;
  /** Programs that it is started under: `walls.ts`. */
  readonly wrapper: readonly string[];
}

/** What a process says. */
export interface Message {
  readonly line: string;
  /** Empty behind most lines. */
  readonly clip: Uint8Array;
}

/** A decoder process under way. */
export interface DecoderProcess {
  /** Null if it could not be started. */
  readonly pid: number | null;
  /** Resolves with the version of libvips that it has loaded; rejects where it ends before it is ready. */
  readonly ready: Promise<string>;
  /** Settles when it is gone, for whatever reason; never rejects. */
  readonly ended: Promise<void>;
  /**
   * Sends a request, and resolves when the process begins with it. One at a time.
   *
   * @returns what comes back; rejects where the process ends before
   * @throws UntakenError where it ended, or stood still, before it read the request
   */
  ask(request: Request, body: Uint8Array): Promise<{ readonly answer: Promise<Message> }>;
  /** From now on all others go first. For good: only a privileged user may take it back. */
  slowDown(): void;
  kill(): void;
}

/** The process never looked at the body, which so cannot be the reason. */
export class NotAcceptedError extends Error {
  override readonly name = "UntakenError";
}

// For JavaScript's own objects, of which a file that lies about how much is in it may have some made. Pixels are elsewhere.
const heapMegabytes = 256;
// What is new there is seldom much, and soon garbage: 20 MB a process less than by default, and as fast.
const frugal = ["--max-semi-space-size=2", "--v8-pool-size=1"];
const startTimeoutMs = 30_000; // 0.2 s where nothing else runs
// An idle process takes a request in less than a millisecond, on a busy machine in a few tens. One that was stopped
// (SIGSTOP, a frozen disk) never does.
const takeTimeoutMs = 1500;
// A tenth of the processor where somebody else wants it, all of it where nobody does.
const slowNiceness = 10;

/**
 * Starts a decoder process. If the system refuses to (no descriptor, process or memory left), `ready` rejects and `ended` resolves.
 *
 * Its JavaScript may read only itself and the libraries, write nothing and start nothing: Node's permission model. That does
 * not bind native code, nor the network, nor signals: `walls.ts`, and the container or the service manager.
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
    // glibc's default of eight arenas a core doubles what stays resident after decoding (603 MB against 298).
    env: { MALLOC_ARENA_MAX: "2", ...environment },
  });
  if (!child) return neverStarted(failure);
  const [, , stderr, channel] = child.stdio as unknown as [null, null, Readable, Duplex, undefined];
  const due: { resolve: (message: Message) => void; reject: (error: Error) => void }[] = []; // messages that must come
  let isGone = false;
  let errors = "";
  let text = "";
  let line: string | undefined; // whose clip is still to come

  /** Takes a message from the text, where all of it is there. */
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
    channel.once("close", end); // and not before: what it said last is still to be read when it exits
  });
  channel.on("error", ignore); // EPIPE and the like: "close" follows
  channel.setEncoding("latin1").on("data", (chunk: string) => {
    text += chunk;
    for (let message = nextMessage(); message; message = nextMessage()) {
      const taker = due.shift();
      if (!taker) return void child.kill("SIGKILL"); // nobody asked
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
      stderr.destroy(); // it told why a start failed; from now on a picture might write there
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
      channel.write(body); // the kernel takes it as the process reads: no copy here, and nobody waits
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
        // it has just ended, or the system has no such thing: it is only not slowed down
      }
    },
    kill: () => void child.kill("SIGKILL"),
  };
}

/** A process that is over before it began: nothing can be asked of it, and there is nothing to kill. */
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

/** For errors that another event tells of too: without a listener they would be uncaught. */
function ignore(): void {
  // nothing to do
}

// What reads files in the processes; each loads its own when it is first needed.
const libraries = ["sharp", "libheif-js", "@jsquash/jxl", "@hyzyla/pdfium", "mediabunny"];

const computed = new Map<string, readonly string[]>();

/** Node's flags; found once an entry, since nothing moves while the service runs. */
function permissions(entry: URL): readonly string[] {
  const known = computed.get(entry.href);
  if (known) return known;
  const worker = dirname(fileURLToPath(entry));
  // The worker's own code and the code that both sides share: formats, protocol, and the domain's rules for sizes, durations and hashes.
  // None of it has settings or secrets. Nothing else of the service.
  const shared = ["../formats", "../../domain"].map((folder) => join(worker, folder));
  const folders = [worker, ...shared, ...libraries.flatMap((name) => packageFolders(entry, name))];
  const readable = [
    ...folders.map((folder) => join(folder, "*")),
    join(worker, "../protocol.js"),
    join(worker, "../raster.js"),
  ];
  // Node 20 has the model under its first name only.
  const stable = process.allowedNodeEnvironmentFlags.has("--permission");
  const flags = [
    stable ? "--permission" : "--experimental-permission",
    "--allow-addons",
    // Once for each: a comma list is refused by newer versions.
    ...[...new Set(readable)].map((path) => `--allow-fs-read=${path}`),
  ];
  computed.set(entry.href, flags);
  return flags;
}

/** Where a package and all that it needs lie, as Node would look for them from a file. */
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
