import { execFileSync, spawnSync } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";

/** Whether the limits of a running process can be changed here (util-linux). */
export const hasPrlimit = spawnSync("prlimit", ["--version"]).status === 0;

/** `nofile`: open descriptors of the process. `nproc`: processes and threads of its user; not checked for root. */
export type Limit = "nofile" | "nproc";

const rows: Readonly<Record<Limit, RegExp>> = {
  nofile: /^Max open files +(\d+|unlimited)/m,
  nproc: /^Max processes +(\d+|unlimited)/m,
};

/** uid 65534: the kernel does not apply the limit of processes to root. */
export const asNobody = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"] as const;

/** Whether tests may start the built program as another user, and that user can read it. */
export const canBeNobody =
  hasPrlimit &&
  process.getuid?.() === 0 &&
  spawnSync(asNobody[0], [...asNobody.slice(1), "test", "-r", import.meta.filename]).status === 0;

/**
 * Lowers the soft limit of a running process, even below its present use: then the kernel refuses every new one.
 *
 * @param wrapper run as the process's own user: the kernel lets others change limits only with CAP_SYS_RESOURCE
 * @returns a function that restores the limit
 */
export function lowerLimit(pid: number, limit: Limit, value: number, wrapper: readonly string[] = []): () => void {
  const [, before = ""] = rows[limit].exec(readFileSync(`/proc/${pid}/limits`, "utf8")) ?? [];
  const set = (text: string) => {
    const [program, ...args] = [...wrapper, "prlimit", "--pid", String(pid), `--${limit}=${text}:`];
    execFileSync(program, args);
  };
  set(String(value));
  return () => set(before);
}

/** Returns the open descriptors of a process. */
export function openDescriptors(pid: number): number {
  return readdirSync(`/proc/${pid}/fd`).length;
}

/** Returns the running child processes of a process. */
export function childrenOf(pid: number): number[] {
  const text = readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8");
  return text.split(" ").filter(Boolean).map(Number);
}
