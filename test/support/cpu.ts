/** Returns the CPU time of a function in milliseconds: the minimum of several runs, to exclude garbage collection. */
export function cpuMs(run: () => void, runs = 5): number {
  let least = Infinity;
  for (let count = 0; count < runs; count += 1) {
    const before = process.cpuUsage();
    run();
    const { user, system } = process.cpuUsage(before);
    least = Math.min(least, (user + system) / 1000);
  }
  return least;
}

/** The same for an asynchronous function. */
export async function asyncCpuMs(run: () => Promise<void>, runs = 5): Promise<number> {
  let least = Infinity;
  for (let count = 0; count < runs; count += 1) {
    const before = process.cpuUsage();
    await run();
    const { user, system } = process.cpuUsage(before);
    least = Math.min(least, (user + system) / 1000);
  }
  return least;
}
