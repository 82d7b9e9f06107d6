import { readdirSync, readFileSync } from "node:fs";
import { setTimeout as after } from "node:timers/promises";
import { fileURLToPath } from "node:url";

const program = fileURLToPath(new URL("../../dist/main.js", import.meta.url));
const patienceMs = 10_000; // a service that was stopped finishes its requests

/** Fails the run if a test leaves a service behind, which would run until the machine stops. */
export default function setup(): () => Promise<void> {
  const before = new Set(services());
  const left = () => services().filter((pid) => !before.has(pid));
  return async () => {
    for (const end = performance.now() + patienceMs; left().length > 0 && performance.now() < end;) await after(100);
    const pids = left();
    for (const pid of pids) process.kill(pid);
    if (pids.length === 0) return;
    process.exitCode = 1; // Vitest only prints an error of a teardown
    throw new Error(`tests have left services running: ${pids.join(", ")}`);
  };
}

/** Returns the processes of the built program, from Linux's /proc; none on other systems. */
function services(): number[] {
  return listProcesses().filter((pid) => {
    try {
      return readFileSync(`/proc/${pid}/cmdline`, "utf8").split("\0").includes(program);
    } catch {
      return false; // it has ended
    }
  });
}

function listProcesses(): number[] {
  try {
    return readdirSync("/proc").map(Number).filter(Number.isInteger);
  } catch {
    return [];
  }
}
