import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { parse } from "yaml";
import { hasPrometheus, observability, promtool, type Series, testAlert } from "../../support/promtool.ts";
import { requires } from "../../support/require.ts";

interface Rules {
  readonly groups: readonly {
    readonly rules: readonly { readonly alert: string; readonly annotations: { readonly runbook: string } }[];
  }[];
}

const [group] = (parse(readFileSync(observability("alerts.yml"), "utf8")) as Rules).groups;
const alerts = group!.rules;

interface Case {
  readonly minutes: number;
  /** What it must be told of, and what is near that and must be passed over. */
  readonly fires: Series;
  readonly passes: Series;
}

const fetches = (upTo5s: string): Series => ({
  'media_oracle_stage_seconds_bucket{stage="fetch",le="5"}': upTo5s,
  'media_oracle_stage_seconds_bucket{stage="fetch",le="10"}': "0+10x40",
  'media_oracle_stage_seconds_bucket{stage="fetch",le="+Inf"}': "0+10x40",
  'media_oracle_stage_seconds_count{stage="fetch"}': "0+10x40",
});

const lookups = (unreachable: string, success: string): Series => ({
  'media_oracle_source_total{outcome="source_unreachable"}': unreachable,
  'media_oracle_source_total{outcome="success"}': success,
});

const turnedAway = (a: string): Series => ({
  'media_oracle_failures_total{code="overloaded"}': a,
  'media_oracle_requests_total{client="anonymous"}': "0+300x20",
});

const cases: Readonly<Record<string, Case>> = {
  MediaOracleDown: {
    minutes: 5,
    fires: { 'up{job="media-oracle"}': "0x10" },
    passes: { 'up{job="media-oracle"}': "1 0 1x10" },
  },
  MediaOracleInternalErrors: {
    minutes: 8,
    fires: { 'media_oracle_failures_total{code="internal"}': "0x5 1x10" },
    passes: {
      'media_oracle_failures_total{code="internal"}': "1x15",
      'media_oracle_failures_total{code="source_status"}': "0+9x15",
    },
  },
  MediaOracleOverloaded: { minutes: 15, fires: turnedAway("0+6x20"), passes: turnedAway("0+1x20") },
  MediaOracleQueueLong: {
    minutes: 8,
    fires: { media_oracle_queue_depth: "100x10" },
    passes: { media_oracle_queue_depth: "100 100 0 100 100 0 100 100 0 100 100" },
  },
  MediaOracleOriginsUnreachable: {
    minutes: 35,
    fires: lookups("0+30x40", "0+10x40"),
    passes: lookups("0+1x40", "0x40"), // few questions tell little
  },
  MediaOracleFetchSlow: { minutes: 30, fires: fetches("0+9x40"), passes: fetches("0+10x40") },
  MediaOracleDecodersDie: {
    minutes: 15,
    fires: { media_oracle_decoder_restarts_total: "0+3x20" },
    passes: { media_oracle_decoder_restarts_total: "0+1x20" },
  },
  MediaOraclePrivateLinks: {
    minutes: 15,
    fires: { 'media_oracle_refused_total{reason="address"}': "0+3x20" },
    passes: {
      'media_oracle_refused_total{reason="address"}': "0+1x20",
      'media_oracle_refused_total{reason="name"}': "0+9x20",
    },
  },
  MediaOracleSharedDown: {
    minutes: 8,
    fires: { media_oracle_shared_up: "0x10" },
    passes: { media_oracle_shared_up: "0 0 0 1x10" },
  },
  MediaOracleEventLoopSlow: {
    minutes: 8,
    fires: { nodejs_eventloop_lag_p99_seconds: "0.4x10" },
    passes: { nodejs_eventloop_lag_p99_seconds: "0.01 0.9 0.01x10" },
  },
  MediaOracleMemoryHigh: {
    minutes: 25,
    fires: { 'process_resident_memory_bytes{job="media-oracle"}': "2000000000x30" },
    passes: { 'process_resident_memory_bytes{job="media-oracle"}': "300000000x30" },
  },
};

test("each alert has a case below, and a section of docs/metrics.md that says what to do", () => {
  const docs = readFileSync(new URL("../../../docs/metrics.md", import.meta.url), "utf8");
  expect(alerts.map(({ alert }) => alert)).toEqual(Object.keys(cases));
  for (const { alert, annotations } of alerts) {
    expect(docs).toContain(`\n### ${alert}\n`);
    expect(annotations.runbook).toBe(`docs/metrics.md#${alert.toLowerCase()}`);
  }
});

describe.skipIf(requires("promtool", hasPrometheus))("by promtool", () => {
  test("the rules and Prometheus' configuration are in order", () => {
    expect(promtool("check", "rules", observability("alerts.yml"))).toBe("");
    expect(promtool("check", "config", observability("prometheus.yml"))).toBe("");
  });

  test.each(Object.entries(cases))("%s fires where it should, and only there", (alert, { minutes, fires, passes }) => {
    expect(testAlert(alert, fires, minutes, true)).toBe("");
    expect(testAlert(alert, passes, minutes, false)).toBe("");
  });
});
