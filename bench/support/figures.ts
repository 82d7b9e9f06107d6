import { readFileSync, readdirSync } from "node:fs";

/** Bytes of memory that a process has now (its resident set), from Linux's /proc. */
export function memoryOf(pid: number): number {
  return Number(/^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1]) * 1024;
}

/** Milliseconds of a processor that a process has had so far, in steps of 10 (Linux counts hundredths of a second). */
export function processorMsOf(pid: number): number {
  return sum(processorTimesOf(pid).slice(0, 2)) * 10;
}

/** In user and in system mode; then the same of children that ended. Hundredths of a second (proc(5), fields 14 to 17). */
function processorTimesOf(pid: number): number[] {
  const [, behindName = ""] = /\) (.*)/.exec(readFileSync(`/proc/${pid}/stat`, "utf8")) ?? [];
  return behindName.split(" ").slice(11, 15).map(Number);
}

/** Open files and sockets of a process. */
export function descriptorsOf(pid: number): number {
  return readdirSync(`/proc/${pid}/fd`).length;
}

/** The process, its children, theirs, and so on. */
export function treeOf(pid: number): number[] {
  const children = ofLiving(() =>
    readdirSync(`/proc/${pid}/task`).flatMap((thread) =>
      readFileSync(`/proc/${pid}/task/${thread}/children`, "utf8").split(" ").filter(Boolean).map(Number),
    ),
  );
  return [pid, ...(children ?? []).flatMap(treeOf)];
}

/** The same as {@link processorMsOf} of a process and all below it, also those that ended. */
export function processorMsOfTree(pid: number): number {
  return sum(treeOf(pid).map((each) => ofLiving(() => sum(processorTimesOf(each))) ?? 0)) * 10;
}

/** Bytes of memory of a process and all below it; what several share is counted once (the proportional set). */
export function memoryOfTree(pid: number): number {
  return sum(treeOf(pid).map((each) => ofLiving(() => sharedOutMemoryOf(each)) ?? 0));
}

/** Looks at the memory of a process and all below it until it is stopped, which gives the most that was seen. */
export function watchMemory(pid: number): { stop(): number } {
  let most = memoryOfTree(pid);
  const look = () => (most = Math.max(most, memoryOfTree(pid)));
  const timer = setInterval(look, lookEveryMs);
  return {
    stop() {
      clearInterval(timer);
      return look();
    },
  };
}

const lookEveryMs = 20;

function sharedOutMemoryOf(pid: number): number {
  return Number(/^Pss:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/smaps_rollup`, "utf8"))?.[1]) * 1024;
}

/** Null where the process, or a thread of it, ended meanwhile. */
function ofLiving<Figure>(look: () => Figure): Figure | null {
  try {
    return look();
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "ENOENT" || code === "ESRCH") return null;
    throw error;
  }
}

export const sum = (values: readonly number[]) => values.reduce((total, value) => total + value, 0);

export const megabytes = (bytes: number) => (bytes / 1_000_000).toFixed(0);
