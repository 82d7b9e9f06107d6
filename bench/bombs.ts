/** `npm run bench:bombs`: latency of a healthy picture and of `/healthz` during bombs, and pictures lost when decoder workers are killed. */
import { makeBombs, makeHeaderBombs, makeSvgBombs } from "../test/support/bombs.ts";
import { allIdle, formatNamed, startDecoder } from "../test/support/decoder.ts";
import { besiege, killEverySecond, quantileOf } from "../test/support/siege.ts";
import { besiegeService } from "./support/besieged-service.ts";
import { printGoal, printTable } from "./support/table.ts";

const durationMs = 1000 * Number(process.argv[2] ?? 60);
const defaultFormats = ["jpeg", "png", "webp", "gif", "avif"] as const;

const bombs = await makeBombs();
const scenarios = [
  ["no bombs", [], defaultFormats],
  [`${bombs.length} bombs`, bombs, defaultFormats],
  ["these and SVG bombs", [...bombs, ...makeSvgBombs()], [...defaultFormats, "svg"]],
] as const;

const rows: string[][] = [];
for (const [name, attackers, formats] of scenarios) {
  const ends: (() => Promise<void>)[] = [];
  const decoder = await startDecoder((end) => ends.push(end), { formats, decodeTimeoutMs: 10_000 });
  await allIdle(decoder);
  const siege = await besiege(({ body, format }) => decoder.describe(body, formatNamed(format)), attackers, durationMs);
  const at = (share: number) => quantileOf(siege.latencies, share).toFixed(0);
  const described = [...siege.ends.values()].reduce((sum, number) => sum + number, 0);
  rows.push([name, String(siege.latencies.length), at(0.5), at(0.95), at(0.99), at(1), String(siege.incomplete), String(described), String(decoder.restarts)]); // prettier-ignore
  if (attackers.length > 0) console.log([...siege.ends].map(([end, number]) => `${number} x ${end}`).join("\n"), "\n");
  for (const end of ends) await end();
}
printTable(
  `A 64 x 64 PNG 20 times a second for ${durationMs / 1000} s, 2 decoders, during bombs in endless loops`,
  ["bombs", "pictures", "p50, ms", "p95", "p99", "maximum", "without hash", "bombs described", "workers replaced"],
  rows,
);

const headerBombs = makeHeaderBombs();
const serviceRows: string[][] = [];
const allBombs = [...bombs, ...headerBombs];
for (const [name, army] of [
  ["no bombs", []],
  [`${allBombs.length} bombs`, allBombs],
] as const) {
  // prettier-ignore
  const siege = await besiegeService(army, durationMs);
  const p99 = quantileOf(siege.latencies, 0.99);
  const healthMaxMs = Math.max(...siege.healthMs);
  const described = [...siege.ends.values()].reduce((sum, number) => sum + number, 0);
  serviceRows.push([name, String(siege.latencies.length), p99.toFixed(0), healthMaxMs.toFixed(0), String(siege.incomplete), String(described), String(siege.restarts)]); // prettier-ignore
  if (army.length === 0) continue;
  console.log([...siege.ends].map(([end, number]) => `${number} x ${end}`).join("\n"), "\n");
  printGoal("healthy PNG, p99, ms", p99, { atMost: 250 }, 0);
  printGoal("/healthz, slowest, ms", healthMaxMs, { atMost: 300 }, 0);
}
printTable(
  `The service for ${durationMs / 1000} s: a PNG and /healthz 20 times a second each, beside URLs of those bombs and of ${headerBombs.length} hostile headers`,
  ["beside", "PNGs", "PNG p99, ms", "/healthz most, ms", "incomplete", "bombs answered", "processes replaced"],
  serviceRows,
);

const ends: (() => Promise<void>)[] = [];
const decoder = await startDecoder((end) => ends.push(end));
await allIdle(decoder);
const { asked, kills, incomplete } = await killEverySecond(decoder, durationMs);
for (const end of ends) await end();
printTable(
  "A decoder worker killed every second, 20 pictures a second",
  ["pictures", "kills", "without hash"],
  [[String(asked), String(kills), String(incomplete)]],
);
console.log(`\nsandbox on this machine: ${decoder.walls.join(", ")}`);
