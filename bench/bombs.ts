/** `npm run bench:bombs`: latency of a healthy picture during pixel bombs, and pictures lost when decoder workers are killed. */
import { makeBombs, makeSvgBombs } from "../test/support/bombs.ts";
import { allIdle, formatNamed, startDecoder } from "../test/support/decoder.ts";
import { besiege, killEverySecond, quantileOf } from "../test/support/siege.ts";
import { printTable } from "./support/table.ts";

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
