// The reference: a loop over so many bytes, which takes 1 ms on an idle core of 2024.
const referenceBytes = new Uint8Array(512 * 1024).fill(3);

function runReference(): number {
  let sum = 0;
  for (const byte of referenceBytes) sum = (sum + byte) | 0;
  return sum;
}

for (let count = 0; count < 10; count += 1) runReference(); // compiled by the engine after a few calls

function elapsedMs(before: NodeJS.CpuUsage): number {
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1000;
}

function timeReference(): number {
  const before = process.cpuUsage();
  if (runReference() === 0) throw new Error("unreachable: the engine must not remove the loop");
  return elapsedMs(before);
}

/**
 * Returns the CPU time of a function as a multiple of the reference, which takes 1 ms on an idle machine.
 *
 * A ratio, because CPU time doubles when another process uses the same core. The minimum of several runs, to exclude
 * garbage collection.
 */
export function cpuMs(run: () => void, runs = 5): number {
  const referenceBefore = timeReference();
  let least = Infinity;
  for (let count = 0; count < runs; count += 1) {
    const before = process.cpuUsage();
    run();
    least = Math.min(least, elapsedMs(before));
  }
  return least / Math.min(referenceBefore, timeReference());
}

/** The same for an asynchronous function. */
export async function asyncCpuMs(run: () => Promise<void>, runs = 5): Promise<number> {
  const referenceBefore = timeReference();
  let least = Infinity;
  for (let count = 0; count < runs; count += 1) {
    const before = process.cpuUsage();
    await run();
    least = Math.min(least, elapsedMs(before));
  }
  return least / Math.min(referenceBefore, timeReference());
}
