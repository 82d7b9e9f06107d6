import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";

const ticksASecond = Number(execFileSync("getconf", ["CLK_TCK"], { encoding: "utf8" }));

/** Processor time of a process so far, in milliseconds, without that of its children; in steps of a clock tick, 10 ms mostly. */
export function processCpuMs(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" "); // proc(5): from the third field on
  return ((Number(fields[11]) + Number(fields[12])) * 1000) / ticksASecond;
}
