import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";
import { parse, stringify } from "yaml";
import { hasPrometheus, observability, promtool, type Series, testAlert } from "../../support/promtool.ts";
import { requires } from "../../support/require.ts";

interface Rules {
  readonly groups: readonly {
    readonly rules: readonly { readonly alert: string; readonly annotations: { readonly runbook_url: string } }[];
  }[];
}

const [group] = (parse(readFileSync(observability("alerts.yml"), "utf8")) as Rules).groups;
const alerts = group!.rules;

interface Case {
  readonly minutes: number;
  /** Series that must fire the alert, and similar series that must not. */
  readonly firing: Series;
  readonly quiet: Series;
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

const queues = (fetch: string, workers: string): Series => ({
  'media_oracle_queue_depth{queue="fetch"}': fetch,
  'media_oracle_queue_depth{queue="workers"}': workers,
});

const rejections = (overloaded: string): Series => ({
  'media_oracle_failures_total{code="overloaded"}': overloaded,
  'media_oracle_requests_total{client="anonymous"}': "0+300x20",
});

const cases: Readonly<Record<string, Case>> = {
  MediaOracleDown: {
    minutes: 5,
    firing: { 'up{job="media-oracle"}': "0x10" },
    quiet: { 'up{job="media-oracle"}': "1 0 1x10" },
  },
  MediaOracleInternalErrors: {
    minutes: 8,
    firing: { 'media_oracle_failures_total{code="internal"}': "0x5 1x10" },
    quiet: {
      'media_oracle_failures_total{code="internal"}': "1x15",
      'media_oracle_failures_total{code="source_status"}': "0+9x15",
    },
  },
  MediaOracleOverloaded: { minutes: 15, firing: rejections("0+6x20"), quiet: rejections("0+1x20") },
  MediaOracleQueueLong: {
    minutes: 8,
    firing: queues("40x10", "40x10"), // the sum counts
    quiet: queues("60 60 0 60 60 0 60 60 0 60 60", "40x10"),
  },
  MediaOracleOriginsUnreachable: {
    minutes: 35,
    firing: lookups("0+30x40", "0+10x40"),
    quiet: lookups("0+1x40", "0x40"), // too few lookups for a conclusion
  },
  MediaOracleFetchSlow: { minutes: 30, firing: fetches("0+9x40"), quiet: fetches("0+10x40") },
  MediaOracleDecodersDie: {
    minutes: 15,
    firing: { media_oracle_decoder_restarts_total: "0+3x20" },
    quiet: { media_oracle_decoder_restarts_total: "0+1x20" },
  },
  MediaOraclePrivateLinks: {
    minutes: 15,
    firing: { 'media_oracle_refused_total{reason="address"}': "0+3x20" },
    quiet: {
      'media_oracle_refused_total{reason="address"}': "0+1x20",
      'media_oracle_refused_total{reason="name"}': "0+9x20",
    },
  },
  MediaOracleSharedDown: {
    minutes: 8,
    firing: { media_oracle_shared_up: "0x10" },
    quiet: { media_oracle_shared_up: "0 0 0 1x10" },
  },
  MediaOracleEventLoopSlow: {
    minutes: 8,
    firing: { nodejs_eventloop_lag_p99_seconds: "0.4x10" },
    quiet: { nodejs_eventloop_lag_p99_seconds: "0.01 0.9 0.01x10" },
  },
  MediaOracleMemoryHigh: {
    minutes: 25,
    firing: { 'process_resident_memory_bytes{job="media-oracle"}': "2000000000x30" },
    quiet: { 'process_resident_memory_bytes{job="media-oracle"}': "300000000x30" },
  },
};

interface Manifest {
  readonly metadata: { readonly labels?: Readonly<Record<string, string>> };
  readonly spec?: { readonly template?: Manifest; readonly jobLabel?: string };
}

const readManifest = (file: string): Manifest =>
  parse(readFileSync(new URL(`../../../deploy/k8s/${file}`, import.meta.url), "utf8")) as Manifest;

/** Returns the value that the Prometheus Operator gives to the label `job`. */
function jobOf(monitor: string, selected: Manifest): string {
  const { jobLabel = "" } = readManifest(`components/${monitor}/${monitor}.yaml`).spec!;
  return selected.metadata.labels![jobLabel]!;
}

function jobIn(file: string): string {
  const { scrape_configs } = parse(readFileSync(observability(file), "utf8")) as {
    scrape_configs: { job_name: string }[];
  };
  return scrape_configs[0]!.job_name;
}

test("each alert has a test case, and a runbook section in docs/metrics.md", () => {
  const docs = readFileSync(new URL("../../../docs/metrics.md", import.meta.url), "utf8");
  expect(alerts.map(({ alert }) => alert)).toEqual(Object.keys(cases));
  for (const { alert, annotations } of alerts) {
    expect(docs).toContain(`\n### ${alert}\n`);
    expect(annotations.runbook_url).toMatch(new RegExp(`/docs/metrics\\.md#${alert.toLowerCase()}$`));
  }
});

describe.skipIf(requires("promtool", hasPrometheus))("promtool", () => {
  test("promtool accepts the alert rules and the configuration of Prometheus", () => {
    expect(promtool("check", "rules", observability("alerts.yml"))).toBe("");
    expect(promtool("check", "config", observability("prometheus.yml"))).toBe("");
  });

  test("promtool accepts the scrape job for Kubernetes, apart from its discovery, which Debian's Prometheus omits", () => {
    const { scrape_configs } = parse(readFileSync(observability("prometheus-kubernetes.yml"), "utf8")) as {
      scrape_configs: Record<string, unknown>[];
    };
    const [{ kubernetes_sd_configs, ...job }] = scrape_configs as [Record<string, unknown>];
    expect(kubernetes_sd_configs).toEqual([{ role: "pod", namespaces: { names: ["media-oracle"] } }]);
    const folder = mkdtempSync(join(tmpdir(), "media-oracle-prometheus-"));
    onTestFinished(() => rmSync(folder, { recursive: true }));
    const file = join(folder, "prometheus.yml");
    writeFileSync(file, stringify({ scrape_configs: [job] }));
    expect(promtool("check", "config", file)).toBe("");
  });

  test.each([
    ["prometheus.yml", jobIn("prometheus.yml")],
    ["prometheus-kubernetes.yml", jobIn("prometheus-kubernetes.yml")],
    ["the ServiceMonitor", jobOf("service-monitor", readManifest("service.yaml"))],
    ["the PodMonitor", jobOf("pod-monitor", readManifest("deployment.yaml").spec!.template!)],
  ])("the alert MediaOracleDown fires for a target of %s that is down, and not while it is up", (_, job) => {
    expect(testAlert("MediaOracleDown", { [`up{job="${job}",instance="a"}`]: "0x10" }, 5, true)).toBe("");
    expect(testAlert("MediaOracleDown", { [`up{job="${job}",instance="a"}`]: "1x10" }, 5, false)).toBe("");
  });

  test.each(Object.entries(cases))(
    "the alert %s fires for its condition, and not for similar series",
    (alert, { minutes, firing, quiet }) => {
      expect(testAlert(alert, firing, minutes, true)).toBe("");
      expect(testAlert(alert, quiet, minutes, false)).toBe("");
    },
  );
});
