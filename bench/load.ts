/** `npm run bench:load`: load from many concurrent hostile origins, against the built program. */
import { megabytes } from "./support/figures.ts";
import { startStorm, type StormFigures, stormDeadlineMs, waitForSilentNames } from "./support/storm.ts";
import { printGoal, printTable, quantile } from "./support/table.ts";
import { measureFairness } from "./support/unfair.ts";

function row(name: string, goal: string, figures: StormFigures): string[] {
  const { ends, slowestMs, lateMs, memoryGrowthBytes, descriptorsBefore, descriptorsAfter, healthyMs, healthyFailed } =
    figures;
  const counts = Object.entries(ends).map(([end, count]) => `${count} ${end}`);
  return [
    name,
    counts.join(", "),
    slowestMs.toFixed(0),
    lateMs.toFixed(0),
    `${megabytes(memoryGrowthBytes)} (${goal})`,
    `${descriptorsBefore}, ${descriptorsAfter}`,
    `${healthyMs.length} of ${healthyMs.length + healthyFailed}`,
    healthyMs.length > 0 ? `${quantile(healthyMs, 0.5).toFixed(0)}, ${quantile(healthyMs, 0.95).toFixed(0)}` : "–",
  ];
}

// Longer than a lookup may take (FETCH_TIMEOUT_MS).
const unfairMs = 20_000;

const storm = await startStorm();
const rows: string[][] = [];
try {
  rows.push(row("1000 slow-drip bodies", "≤ 100", await storm.rage(["dripping"], 1000)));
  rows.push(row("64 bodies of 1 MB in chunks of one byte", "≤ 200", await storm.rage(["crumbs"], 64)));
  rows.push(row("100 endless, 100 of declared 100 MB", "≤ 268 + 64", await storm.rage(["endless", "announced"], 100)));
  printTable(
    `Concurrent lookups at hostile origins, deadline ${stormDeadlineMs} ms`,
    [
      "origins",
      "outcomes",
      "slowest, ms",
      "past the deadline, ms (goal 250)",
      "memory growth, MB (goal)",
      "descriptors before, after",
      "healthy lookups",
      "healthy, ms: median, p95",
    ],
    rows,
  );
  const { aloneMs, besideMs, silent } = await waitForSilentNames(500, storm.origins.healthy);
  printTable(
    "Names whose DNS server does not respond, in process",
    ["silent names", "healthy p95 alone, ms", "healthy p95 with silent names, ms", "rise, ms (goal 150)"],
    [[String(silent), aloneMs.toFixed(1), besideMs.toFixed(1), (besideMs - aloneMs).toFixed(1)]],
  );
  const unfair = [
    ["64 dripping hosts", "dripping", 64],
    ["8 hosts of PDFs that stop at 33 MB", "stopping", 8],
  ] as const;
  for (const [name, hostile, hosts] of unfair) {
    const figures = await measureFairness(storm.origins, hostile, hosts, unfairMs);
    console.log(`\n${name}, default limits, healthy pictures without a hash: ${figures.healthyFailed}`);
    printGoal("healthy PNG p99, ms", quantile(figures.healthyMs, 0.99), { atMost: 250 }, 0);
    printGoal("/healthz max, ms", Math.max(...figures.healthzMs), { atMost: 300 }, 0);
  }
} finally {
  await storm.stop();
}
