import { cpus } from "node:os";

/** Says what the figures are of. */
export function printMachine(): void {
  const [cpu] = cpus();
  console.log(`${cpus().length} x ${cpu?.model ?? "unknown"}, Node ${process.version}; loopback only`);
}
