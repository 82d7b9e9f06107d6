import { spawn } from "node:child_process";
import { existsSync, realpathSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import type { Duplex, Readable } from "node:stream";
import { fileURLToPath } from "node:url";
import type { ChildSettings } from "./child.ts";
import { encodeRequest, maxLineBytes, parseGreeting, type Request } from "./protocol.ts";

export interface ProcessOptions {
  /** `child.js`, built: the processes run without a loader for TypeScript. */
  readonly entry: URL;
  readonly settings: ChildSettings;
  /** Variables besides our own, such as a preloaded allocator; nothing else of ours reaches the process. */
  readonly environment: Readonly<Record<string, string>>;
}

/** A decoder process under way. */
export interface DecoderProcess {
  readonly pid: number;
  /** Rejects where it ends before it is ready. */
  readonly ready: Promise<void>;
  /** Settles when it is gone, for whatever reason; never rejects. */
  readonly ended: Promise<void>;
  /** Sends a request and resolves with the line that comes back; rejects where the process ends before. One at a time. */
  ask(request: Request, body: Uint8Array): Promise<string>;
  kill(): void;
}

const startTimeoutMs = 30_000; // 0.2 s where nothing else runs

/**
 * Starts a decoder process.
 *
 * Its JavaScript may read only itself and sharp, write nothing and start nothing: Node's permission model. That does
 * not bind native code, nor the network, nor signals: the container or the service manager must.
 */
export function startProcess({ entry, settings, environment }: ProcessOptions): DecoderProcess {
  const child = spawn(
    process.execPath,
    [...permissions(entry), "--no-warnings", fileURLToPath(entry), JSON.stringify(settings)],
    {
      stdio: ["ignore", "ignore", "pipe", "pipe"],
      // glibc's default of eight arenas a core doubles what stays resident after decoding (603 MB against 298).
      env: { MALLOC_ARENA_MAX: "2", ...environment },
    },
  );
  const [, , stderr, channel] = child.stdio as [null, null, Readable, Duplex, undefined];
  let waiter: { resolve: (line: string) => void; reject: (error: Error) => void } | null = null;
  let isGone = false;
  let errors = "";
  let text = "";

  const ended = new Promise<void>((resolve) => {
    const end = () => {
      isGone = true;
      child.kill("SIGKILL");
      waiter?.reject(new Error(errors.trim() || "it ended"));
      waiter = null;
      resolve();
    };
    child.once("exit", end).once("error", end); // "error": it could not be started at all
    channel.once("close", end);
  });
  channel.on("error", ignore); // EPIPE and the like: "close" follows
  channel.setEncoding("latin1").on("data", (chunk: string) => {
    text += chunk;
    const end = text.indexOf("\n");
    if (end < 0 ? text.length > maxLineBytes : !waiter) return child.kill("SIGKILL"); // not what it was asked for
    if (end < 0) return;
    const line = text.slice(0, end);
    text = text.slice(end + 1);
    waiter?.resolve(line);
    waiter = null;
    return;
  });
  stderr.setEncoding("utf8").on("data", (chunk: string) => void (errors = (errors + chunk).slice(0, 2000)));
  stderr.on("error", ignore);

  const nextLine = () => new Promise<string>((resolve, reject) => (waiter = { resolve, reject }));
  const timer = setTimeout(() => child.kill("SIGKILL"), startTimeoutMs);
  const ready = nextLine()
    .then((line) => {
      const fault = parseGreeting(line);
      if (fault !== null) throw new Error(fault);
      stderr.destroy(); // it told why a start failed; from now on a picture might write there
    })
    .finally(() => clearTimeout(timer));
  ready.catch(() => child.kill("SIGKILL"));

  return {
    pid: child.pid ?? 0,
    ready,
    ended,
    ask(request, body) {
      if (isGone) return Promise.reject(new Error("it has ended"));
      const line = nextLine();
      channel.cork();
      channel.write(encodeRequest(request));
      channel.write(body); // the kernel takes it as the process reads: no copy here, and nobody waits
      channel.uncork();
      return line;
    },
    kill: () => void child.kill("SIGKILL"),
  };
}

/** For errors that another event tells of too: without a listener they would be uncaught. */
function ignore(): void {
  // nothing to do
}

const computed = new Map<string, readonly string[]>();

/** Node's flags; found once an entry, since nothing moves while the service runs. */
function permissions(entry: URL): readonly string[] {
  const known = computed.get(entry.href);
  if (known) return known;
  const folders = [dirname(fileURLToPath(entry)), ...packageFolders(entry, "sharp")];
  // Node 20 has the model under its first name only.
  const stable = process.allowedNodeEnvironmentFlags.has("--permission");
  const flags = [
    stable ? "--permission" : "--experimental-permission",
    "--allow-addons",
    // Once for each: a comma list is refused by newer versions.
    ...[...new Set(folders)].map((folder) => `--allow-fs-read=${join(folder, "*")}`),
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
