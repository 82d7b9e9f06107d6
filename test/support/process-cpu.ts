import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";

const ticksASecond = Number(execFileSync("getconf", ["CLK_TCK"], { encoding: "utf8" }));

/** Returns the CPU time of a process without its children, in milliseconds; in steps of a clock tick, usually 10 ms. */
export function processCpuMs(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" "); // proc(5): from the third field on
  return ((Number(fields[11]) + Number(fields[12])) * 1000) / ticksASecond;
}
