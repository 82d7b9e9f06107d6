/** `npm run bench:soak`: memory, descriptors and event loop during many requests: hits, all formats, hostile origins. */
import { parseArgs } from "node:util";
import { megabytes } from "./support/figures.ts";
import { soak } from "./support/soak.ts";
import { median, printTable } from "./support/table.ts";

const { values } = parseArgs({ options: { requests: { type: "string", default: "200000" } } });
const requests = Number(values.requests);
const began = performance.now();
const { samples, ends } = await soak(requests, { hasAllKinds: true });

printTable(
  `${requests} requests in ${((performance.now() - began) / 1000).toFixed(0)} s: 69 % hits, 10 % files of all formats, 10 % other misses, failures, hostile origins, bombs`,
  ["requests", "memory, MB", "descriptors", "event loop p99, ms (goal 50)", "maximum, ms"],
  samples.map(({ requests, memoryBytes, descriptors, loopP99Ms, loopMaxMs }) => [
    String(requests),
    megabytes(memoryBytes),
    String(descriptors),
    loopP99Ms.toFixed(1),
    loopMaxMs.toFixed(1),
  ]),
);
const half = samples.length >> 1;
const memoryOfHalf = (from: number, to: number) =>
  median(samples.slice(from, to).map(({ memoryBytes }) => memoryBytes));
console.log(
  `\noutcomes: ${Object.entries(ends)
    .map(([end, count]) => `${count} ${end || "described"}`)
    .join(", ")}`,
);
console.log(
  `memory growth, median of the second half less that of the first: ${megabytes(memoryOfHalf(half, samples.length) - memoryOfHalf(0, half))} MB`,
);
