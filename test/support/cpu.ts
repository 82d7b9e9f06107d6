// The reference: a loop over so many bytes takes 0.25 ms on an idle core of 2024.
const referenceBytes = new Uint8Array(128 * 1024).fill(3);

function runReference(): number {
  let sum = 0;
  for (const byte of referenceBytes) sum = (sum + byte) | 0;
  return sum;
}

for (let count = 0; count < 40; count += 1) runReference(); // compiled by the engine after some calls

function elapsedMs(before: NodeJS.CpuUsage): number {
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1000;
}

function timeReference(): number {
  const before = process.cpuUsage();
  if (runReference() === 0) throw new Error("unreachable: the engine must not remove the loop");
  return 4 * elapsedMs(before);
}

/**
 * Returns the CPU time of a function as a multiple of the reference, which takes 1 ms on an idle machine.
 *
 * A ratio, because CPU time doubles when another process uses the same core. The minimum of at most `runs` runs, to
 * exclude garbage collection: no further one once the time is below `enoughMs`.
 */
export function cpuMs(run: () => void, runs = 5, enoughMs = 0): number {
  let [least, reference] = [Infinity, timeReference()];
  for (let count = 0; count < runs && !(least / reference < enoughMs); count += 1) {
    reference = Math.min(reference, timeReference());
    const before = process.cpuUsage();
    run();
    least = Math.min(least, elapsedMs(before));
  }
  return least / reference;
}

/** The same for an asynchronous function. */
export async function asyncCpuMs(run: () => Promise<void>, runs = 5, enoughMs = 0): Promise<number> {
  let [least, reference] = [Infinity, timeReference()];
  for (let count = 0; count < runs && !(least / reference < enoughMs); count += 1) {
    reference = Math.min(reference, timeReference());
    const before = process.cpuUsage();
    await run();
    least = Math.min(least, elapsedMs(before));
  }
  return least / reference;
}
