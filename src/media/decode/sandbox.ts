import { execFile } from "node:child_process";
import { promisify } from "node:util";

/** What a decoder process is started under, besides Node's own permission model. */
export interface Sandbox {
  /** For the operator, the strongest last. */
  readonly names: readonly string[];
  /** The words that stand before Node's own on the command line. */
  readonly command: readonly string[];
  /** The same for another program, which may take so much memory. */
  readonly commandWithin: (dataBytes: number) => readonly string[];
}

type Program = "prlimit" | "unshare";

const run = promisify(execFile);

const mebibyte = 1024 ** 2;
// libvips, its self-test and the hashes: 40 measured.
const ownBytes = 96 * mebibyte;
const tryTimeoutMs = 10_000;
// The system is short of descriptors, processes or memory: this says nothing about the program that was to be tried.
const shortages = new Set<unknown>(["EMFILE", "ENFILE", "EAGAIN", "ENOMEM"]);

/**
 * Finds which of util-linux' programs work here, by trying each. They replace themselves by what they start, so that
 * the process remains the one that was spawned, and a kill meets it.
 *
 * - `prlimit`: no byte is written to a file, no core is dumped (it would hold somebody's picture), and memory ends
 *   where the estimates do: what they did not see becomes an ordinary error of the loader, or one process's end.
 * - `unshare`: a network of its own, without any interface. The user stays who it is: root's rights in a
 *   namespace of its own would only open more of the kernel to a picture that took the process over.
 *
 * Neither hides files that the user may read, nor keeps signals from our other processes: the container or the
 * service manager must. Containers mostly forbid `unshare`, whose part a network policy then has to take.
 *
 * @param decodeBytes memory that one decode may take
 * @throws Error if the system is short of something just now: a wall must not be left out because of that
 */
export async function detectSandbox(decodeBytes: number): Promise<Sandbox> {
  const working: Program[] = [];
  // What Node reserves before anything runs is counted too: 0.1 GB on 20, 0.6 GB on 24.
  const nodeBytes = await dataBytes([]);
  const data = nodeBytes + ownBytes + decodeBytes;
  const commandWithin = (dataBytes: number, programs: readonly Program[] = working) => {
    const options = {
      prlimit: ["--fsize=0", "--core=0", `--data=${Math.ceil(dataBytes)}`],
      unshare: ["--map-current-user", "--net"],
    };
    return programs.flatMap((name) => [name, ...options[name]]);
  };
  for (const name of ["prlimit", "unshare"] as const) {
    const works = await dataBytes(commandWithin(data, [...working, name])).then(
      () => true,
      (error: unknown) => {
        if (shortages.has((error as NodeJS.ErrnoException).code)) throw error;
        return false;
      },
    );
    if (works) working.push(name);
  }
  return { names: ["permissions", ...working], command: commandWithin(data), commandWithin };
}

/** What Node itself takes of the memory that `--data` limits, when it is started so; 0 where the system does not tell. */
async function dataBytes(command: readonly string[]): Promise<number> {
  const script = `try { console.log(require("fs").readFileSync("/proc/self/status", "utf8")) } catch {}`;
  const [program, ...args] = [...command, process.execPath, "-e", script];
  const { stdout } = await run(program, args, { env: {}, timeout: tryTimeoutMs });
  return 1024 * Number(/^VmData:\s*(\d+) kB/m.exec(stdout)?.[1] ?? 0);
}
