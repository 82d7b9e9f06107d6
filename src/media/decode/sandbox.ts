import { execFile } from "node:child_process";
import { promisify } from "node:util";

/** The sandbox of a worker: rlimits and a network namespace, besides Node's own permission model. */
export interface Sandbox {
  /** The active layers, for the operator, the strongest last. */
  readonly names: readonly string[];
  /** Command prefix: the arguments before Node's own. */
  readonly command: readonly string[];
  /** The same for another program, with its own memory limit. */
  readonly commandWithin: (dataBytes: number) => readonly string[];
}

type Program = "prlimit" | "unshare";

const run = promisify(execFile);

const mebibyte = 1024 ** 2;
// libvips, its self-test and the hashes: 40 measured.
const ownBytes = 96 * mebibyte;
const tryTimeoutMs = 10_000;
// The system is short of descriptors, processes or memory: no evidence about the program under test.
const shortages = new Set<unknown>(["EMFILE", "ENFILE", "EAGAIN", "ENOMEM"]);

/**
 * Detects which of util-linux' sandbox programs work here, by trying each. They exec the worker, so that it keeps the
 * spawned pid, and a kill reaches it.
 *
 * - `prlimit`: rlimits. No file writes, no core dump (it would contain a user's picture), and a memory limit at the
 *   estimate: a decompression bomb that the estimate missed is a loader error, or the end of one worker.
 * - `unshare`: a network namespace without any interface. The user stays the same: root's rights in a user
 *   namespace would only expose more of the kernel to a compromised worker.
 *
 * Neither hides files that the user may read, nor blocks signals to our other processes: the container or the
 * service manager must. Most containers forbid `unshare`: there a network policy must replace it.
 *
 * @param decodeBytes memory that one decode may take
 * @throws Error during a shortage (descriptors, processes, memory): it must not weaken the sandbox
 */
export async function detectSandbox(decodeBytes: number): Promise<Sandbox> {
  // The limit includes Node's own reservation at startup: 0.1 GB on Node 20, 0.6 GB on Node 24.
  const nodeBytes = await dataBytes([]);
  const commandWithin = (programs: readonly Program[], dataBytes: number) => {
    const options = {
      prlimit: ["--fsize=0", "--core=0", `--data=${Math.ceil(dataBytes)}`],
      unshare: ["--map-current-user", "--net"],
    };
    return programs.flatMap((name) => [name, ...options[name]]);
  };
  const data = nodeBytes + ownBytes + decodeBytes;
  let working: readonly Program[] = [];
  for (const programs of [["prlimit", "unshare"], ["prlimit"], ["unshare"]] as const) {
    if (!(await works(commandWithin(programs, data)))) continue;
    working = programs;
    break;
  }
  return {
    names: ["permissions", ...working],
    command: commandWithin(working, data),
    commandWithin: (dataBytes) => commandWithin(working, dataBytes),
  };
}

/** Tries to start Node behind this prefix. @throws Error during a shortage */
async function works(command: readonly string[]): Promise<boolean> {
  try {
    await dataBytes(command);
    return true;
  } catch (error) {
    if (shortages.has((error as NodeJS.ErrnoException).code)) throw error;
    return false;
  }
}

/** Measures Node's own share of the memory that `--data` limits; 0 if the system does not report it. */
async function dataBytes(command: readonly string[]): Promise<number> {
  const script = `try { console.log(require("fs").readFileSync("/proc/self/status", "utf8")) } catch {}`;
  const [program, ...args] = [...command, process.execPath, "-e", script];
  const { stdout } = await run(program, args, { env: {}, timeout: tryTimeoutMs });
  return 1024 * Number(/^VmData:\s*(\d+) kB/m.exec(stdout)?.[1] ?? 0);
}
