/** Processor time of this process that a function takes, in milliseconds: the least of some runs, without other work and collections. */
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

/** The same for a function that waits in between. */
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
