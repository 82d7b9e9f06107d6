import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { stringify } from "yaml";

export const hasPrometheus = spawnSync("promtool", ["--version"]).status === 0;

export const observability = (file: string): string =>
  fileURLToPath(new URL(`../../deploy/observability/${file}`, import.meta.url));

/** Series as `promtool test rules` takes them: one value a minute, `0+3x20` is 0, 3, 6 … 60. */
export type Series = Readonly<Record<string, string>>;

/**
 * Tries whether an alert fires, once and no more, after so many minutes of these series.
 *
 * @param minutes from the first value
 * @returns what promtool objects to, or nothing
 */
export function testAlert(alert: string, series: Series, minutes: number, isFiring: boolean): string {
  const folder = mkdtempSync(join(tmpdir(), "media-oracle-rules-"));
  const file = join(folder, "test.yml");
  const test = {
    interval: "1m",
    input_series: Object.entries(series).map(([series, values]) => ({ series, values })),
    promql_expr_test: [
      {
        expr: `count(ALERTS{alertname="${alert}", alertstate="firing"}) or vector(0)`,
        eval_time: `${minutes}m`,
        exp_samples: [{ labels: "{}", value: isFiring ? 1 : 0 }],
      },
    ],
  };
  try {
    const rules = { rule_files: [observability("alerts.yml")], evaluation_interval: "1m", tests: [test] };
    writeFileSync(file, stringify(rules));
    return promtool("test", "rules", file);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** Runs promtool; what it objects to, or nothing. */
export function promtool(...parameters: string[]): string {
  const { status, stdout, stderr } = spawnSync("promtool", parameters, { encoding: "utf8" });
  return status === 0 ? "" : stdout + stderr;
}
