import { cpus } from "node:os";

/** Prints processor and Node version, as context for the figures. */
export function printMachine(): void {
  const [cpu] = cpus();
  console.log(`${cpus().length} x ${cpu?.model ?? "unknown"}, Node ${process.version}; loopback only`);
}
