import { readFileSync, readdirSync } from "node:fs";

/** Bytes of memory that a process has now (its resident set), from Linux's /proc. */
export function memoryOf(pid: number): number {
  return Number(/^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1]) * 1024;
}

/** Milliseconds of a processor that a process has had so far, in steps of 10 (Linux counts hundredths of a second). */
export function processorMsOf(pid: number): number {
  const [, user, system] = /\) \S(?: \S+){10} (\d+) (\d+)/.exec(readFileSync(`/proc/${pid}/stat`, "utf8")) ?? [];
  return (Number(user) + Number(system)) * 10;
}

/** Open files and sockets of a process. */
export function descriptorsOf(pid: number): number {
  return readdirSync(`/proc/${pid}/fd`).length;
}

export const megabytes = (bytes: number) => (bytes / 1_000_000).toFixed(0);
