import { readFileSync, readdirSync } from "node:fs";

/** Returns the resident set of a process in bytes, from Linux's /proc. */
export function memoryOf(pid: number): number {
  return Number(/^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1]) * 1024;
}

/** Returns the CPU time of a process so far, in milliseconds, in steps of 10 (Linux counts hundredths of a second). */
export function processorMsOf(pid: number): number {
  return sum(processorTimesOf(pid).slice(0, 2)) * 10;
}

/** Returns user and system CPU time, then both for ended children, in hundredths of a second (proc(5), fields 14 to 17). */
function processorTimesOf(pid: number): number[] {
  const [, afterName = ""] = /\) (.*)/.exec(readFileSync(`/proc/${pid}/stat`, "utf8")) ?? [];
  return afterName.split(" ").slice(11, 15).map(Number);
}

/** Returns the number of open files and sockets of a process. */
export function descriptorsOf(pid: number): number {
  return readdirSync(`/proc/${pid}/fd`).length;
}

/** Returns the IDs of a process and all its descendants. */
export function treeOf(pid: number): number[] {
  const children = ifAlive(() =>
    readdirSync(`/proc/${pid}/task`).flatMap((thread) =>
      readFileSync(`/proc/${pid}/task/${thread}/children`, "utf8").split(" ").filter(Boolean).map(Number),
    ),
  );
  return [pid, ...(children ?? []).flatMap(treeOf)];
}

/** Returns the CPU time of a process and all its descendants, including ended ones, in milliseconds; see {@link processorMsOf}. */
export function processorMsOfTree(pid: number): number {
  return sum(treeOf(pid).map((each) => ifAlive(() => sum(processorTimesOf(each))) ?? 0)) * 10;
}

/** Returns the memory of a process and all its descendants in bytes; shared pages count once (proportional set size). */
export function memoryOfTree(pid: number): number {
  return sum(treeOf(pid).map((each) => ifAlive(() => proportionalMemoryOf(each)) ?? 0));
}

/** Samples the memory of a process and all its descendants; `stop` returns the peak in bytes. */
export function watchMemory(pid: number): { stop(): number } {
  let peak = memoryOfTree(pid);
  const sample = () => (peak = Math.max(peak, memoryOfTree(pid)));
  const timer = setInterval(sample, sampleEveryMs);
  return {
    stop() {
      clearInterval(timer);
      return sample();
    },
  };
}

const sampleEveryMs = 20;

function proportionalMemoryOf(pid: number): number {
  return memoryPartsOf(pid).bytes;
}

/** Returns the proportional set size of a process in bytes, and its anonymous part, which no other process has. */
export function memoryPartsOf(pid: number): { readonly bytes: number; readonly ownBytes: number } {
  const text = readFileSync(`/proc/${pid}/smaps_rollup`, "utf8");
  const [bytes, ownBytes] = ["Pss", "Pss_Anon"].map(
    (name) => Number(new RegExp(`^${name}:\\s+(\\d+) kB`, "m").exec(text)?.[1]) * 1024,
  );
  return { bytes: bytes!, ownBytes: ownBytes! };
}

/** Reads from /proc; returns null if the process, or one of its threads, has ended. */
function ifAlive<Figure>(read: () => Figure): Figure | null {
  try {
    return read();
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "ENOENT" || code === "ESRCH") return null;
    throw error;
  }
}

export const sum = (values: readonly number[]) => values.reduce((total, value) => total + value, 0);

export const megabytes = (bytes: number) => (bytes / 1_000_000).toFixed(0);
