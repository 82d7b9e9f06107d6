import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { stringify } from "yaml";

export const hasPrometheus = spawnSync("promtool", ["--version"]).status === 0;

export const observability = (file: string): string =>
  fileURLToPath(new URL(`../../deploy/observability/${file}`, import.meta.url));

/** Series in the notation of `promtool test rules`: one value a minute, `0+3x20` is 0, 3, 6 … 60. */
export type Series = Readonly<Record<string, string>>;

/**
 * Tests with promtool whether an alert is firing exactly once (or not at all) at a given minute of some series.
 *
 * @param minutes since the first value
 * @returns promtool's output if the result differs, otherwise ""
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

/** Runs promtool; returns its output if it fails, otherwise "". */
export function promtool(...parameters: string[]): string {
  const { status, stdout, stderr } = spawnSync("promtool", parameters, { encoding: "utf8" });
  return status === 0 ? "" : stdout + stderr;
}
