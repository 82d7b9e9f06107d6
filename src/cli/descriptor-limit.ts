import { readFileSync } from "node:fs";

// Node opens up to a hundred modules of this program at once when it loads them: with 96 it ends with EMFILE, with 112 it starts.
export const leastDescriptors = 128;

/**
 * Reads how many descriptors this process may have open. Node has raised the soft limit to the hard one when it started.
 *
 * @returns Infinity if there is no limit, or if the system does not report it
 */
export function readDescriptorLimit(): number {
  const soft = readProcLimit() ?? readReportLimit();
  return soft === undefined || soft === "unlimited" ? Infinity : Number(soft);
}

/** Linux, proc(5): name, soft limit, hard limit, unit. */
function readProcLimit(): string | undefined {
  try {
    return /^Max open files +(\S+)/m.exec(readFileSync("/proc/self/limits", "utf8"))?.[1];
  } catch {
    return undefined; // another system, or a container without /proc
  }
}

/** Other systems, and slower: a report looks at the whole process. */
function readReportLimit(): string | number | undefined {
  const { userLimits } = process.report.getReport() as { userLimits?: { open_files?: { soft: string | number } } };
  return userLimits?.open_files?.soft;
}
