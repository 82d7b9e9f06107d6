export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

export function quantile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))]!;
}

/** Formats `median (minimum – maximum)` with a number of decimals. */
export function spread(values: readonly number[], digits = 0): string {
  const text = (value: number) => value.toFixed(digits);
  return `${text(median(values))} (${text(Math.min(...values))} – ${text(Math.max(...values))})`;
}

/** Prints a Markdown table, ready to paste into a document. */
export function printTable(title: string, header: readonly string[], rows: readonly (readonly string[])[]): void {
  const widths = header.map((cell, column) => Math.max(cell.length, ...rows.map((row) => row[column]!.length)));
  const line = (row: readonly string[]) => `| ${row.map((cell, column) => cell.padEnd(widths[column]!)).join(" | ")} |`;
  console.log(`\n### ${title}\n`);
  console.log(line(header));
  console.log(`|${widths.map((width) => "-".repeat(width + 2)).join("|")}|`);
  for (const row of rows) console.log(line(row));
}

/** Prints whether a figure meets its performance goal. */
export function printGoal(
  name: string,
  value: number,
  goal: { atMost: number } | { atLeast: number },
  digits = 2,
): void {
  const isMet = "atMost" in goal ? value <= goal.atMost : value >= goal.atLeast;
  const goalText = "atMost" in goal ? `at most ${goal.atMost}` : `at least ${goal.atLeast}`;
  console.log(`${isMet ? "met   " : "MISSED"} ${name}: ${value.toFixed(digits)} (${goalText})`);
}
