import { expect, test } from "vitest";
import { type Oracle, startDescription } from "../../../src/domain/description.ts";
import { OracleError } from "../../../src/domain/errors.ts";
import { unknownMetadata } from "../../../src/domain/metadata.ts";
import type { Target } from "../../../src/domain/target.ts";
import { idleGauges } from "../../../src/http/gauges.ts";
import { createMetrics, observed } from "../../../src/http/metrics.ts";

const url = new URL("https://upload.example.org/a");
const target: Target = { href: url.href, url, via: null };
test("media types that origins invent share one label", async () => {
  const metrics = createMetrics(idleGauges);
  for (let made = 0; made < 100; made += 1) metrics.described("success", `image/made-up-${made}`, { decode: 1 });
  metrics.described("success", "image/svg+xml", { decode: 1 });
  const series = (await metrics.text())
    .split("\n")
    .filter((line) => line.startsWith("media_oracle_decode_seconds_count"));
  expect(series.sort()).toEqual([
    'media_oracle_decode_seconds_count{format="other"} 100',
    'media_oracle_decode_seconds_count{format="svg"} 1',
  ]);
});

test("the metrics report enabled and disabled formats", async () => {
  const metrics = createMetrics({ ...idleGauges, enabled: () => ({ heic: true, svg: false }) });
  expect(await metrics.text()).toContain('media_oracle_format_enabled{format="heic"} 1');
  expect(await metrics.text()).toContain('media_oracle_format_enabled{format="svg"} 0');
});

test("each lookup has an outcome, and no decode time without a decode", async () => {
  const metrics = createMetrics(idleGauges);
  const whole = () => startDescription(() => Promise.resolve(unknownMetadata));
  const confirmed = () => startDescription((progress) => Promise.resolve(progress.confirm(unknownMetadata)));
  for (const lookup of [whole, confirmed, confirmed]) await observed(lookup, metrics)(target).done;
  const text = await metrics.text();
  expect(text).toContain('media_oracle_source_total{outcome="success"} 1');
  expect(text).toContain('media_oracle_source_total{outcome="not_modified"} 2');
  expect(text).not.toContain("media_oracle_decode_seconds_count{");
});

test("an observed lookup gets the fields and the previous metadata", () => {
  const previous = { metadata: unknownMetadata, validators: null };
  const told: unknown[] = [];
  const oracle: Oracle = (...question) => {
    told.push(...question);
    return startDescription(() => Promise.resolve(unknownMetadata));
  };
  observed(oracle, createMetrics(idleGauges))(target, ["type"], previous);
  expect(told).toEqual([target, ["type"], previous]);
});

test("an observed lookup returns the oracle's own description", () => {
  const description = startDescription(() => Promise.resolve(unknownMetadata));
  expect(observed(() => description, createMetrics(idleGauges))(target)).toBe(description);
});

test("response times are counted in cumulative buckets by cache result", async () => {
  const metrics = createMetrics(idleGauges);
  for (const milliseconds of [0.5, 1, 3, 90_000]) metrics.answered("hit", milliseconds);
  metrics.answered("miss", 2000);
  const text = await metrics.text();
  for (const line of [
    "# TYPE media_oracle_response_seconds histogram",
    'media_oracle_response_seconds_bucket{le="0.001",result="hit"} 2',
    'media_oracle_response_seconds_bucket{le="0.005",result="hit"} 3',
    'media_oracle_response_seconds_bucket{le="60",result="hit"} 3',
    'media_oracle_response_seconds_bucket{le="+Inf",result="hit"} 4',
    'media_oracle_response_seconds_sum{result="hit"} 90.0045',
    'media_oracle_response_seconds_count{result="hit"} 4',
    'media_oracle_response_seconds_bucket{le="1",result="miss"} 0',
    'media_oracle_response_seconds_bucket{le="2",result="miss"} 1',
    'media_oracle_response_seconds_count{result="stale"} 0',
    'media_oracle_cache_total{result="hit"} 4',
  ]) {
    expect(text.split("\n")).toContain(line);
  }
});

test("an idle service has zeros in all its numbers", async () => {
  const lines = (await createMetrics(idleGauges).text())
    .split("\n")
    .filter((line) => line.startsWith("media_oracle_") && !line.startsWith("media_oracle_build_info"));
  for (const line of [
    "media_oracle_inflight 0",
    'media_oracle_queue_depth{queue="unpredictable"} 0',
    'media_oracle_cache_entries{kind="success"} 0',
    'media_oracle_cache_evictions_total{kind="failure"} 0',
    'media_oracle_failures_total{code="overloaded"} 0',
    'media_oracle_decode_timeouts_total{cause="queue_full"} 0',
    'media_oracle_cache_total{result="stale"} 0',
    "media_oracle_decoder_restarts_total 0",
    "media_oracle_fetched_bytes_total 0",
  ]) {
    expect(lines).toContain(line);
  }
  expect(lines.filter((line) => !line.endsWith(" 0"))).toEqual([]);
});

test("the build is a metric whose value is 1, with an empty commit if it is unknown", async () => {
  const build = { version: "1.2.3", commit: null, node: "24.0.0" };
  const text = await createMetrics({ ...idleGauges, build }).text();
  expect(text).toContain('media_oracle_build_info{version="1.2.3",commit="",node="24.0.0"} 1');
  const known = await createMetrics({ ...idleGauges, build: { ...build, commit: "0123" } }).text();
  expect(known).toContain('commit="0123"');
});

test.each([
  ["media_oracle_decode_seconds", "0.005 0.01 0.025 0.05 0.1 0.25 0.5 1 2.5 5 10 +Inf"],
  ["media_oracle_stage_seconds", "0.005 0.025 0.1 0.25 0.5 1 2.5 5 10 15 +Inf"],
  ["media_oracle_response_seconds", "0.001 0.005 0.025 0.1 0.25 0.5 1 2 5 15 60 +Inf"],
])("dashboards can rely on the buckets of %s: %s", async (name, bounds) => {
  const metrics = createMetrics(idleGauges);
  metrics.described("success", "image/png", { decode: 1 });
  metrics.answered("miss", 1);
  const found = new Set(
    (await metrics.text()).split("\n").flatMap((line) => {
      const [, bound] = line.startsWith(`${name}_bucket{`) ? (/\ble="([^"]+)"/.exec(line) ?? []) : [];
      return bound ?? [];
    }),
  );
  expect([...found].join(" ")).toBe(bounds);
});

test("times are in seconds, by stage and by format; video and audio have one label each", async () => {
  const metrics = createMetrics(idleGauges);
  metrics.described("success", "image/heif", { queue: 1, decode: 1500 });
  metrics.described("success", "video/mp4", { decode: 250 });
  metrics.described("not_modified", "audio/flac", { fetch: 500 });
  metrics.failed(new OracleError("source_unreachable", "of the test", { reason: "address" }), { fetch: 2000 });
  metrics.failed(new OracleError("source_protocol", "of the test"), {});
  const lines = (await metrics.text()).split("\n");
  for (const line of [
    'media_oracle_decode_seconds_sum{format="heic"} 1.5',
    'media_oracle_decode_seconds_sum{format="video"} 0.25',
    'media_oracle_stage_seconds_sum{stage="queue"} 0.001',
    'media_oracle_stage_seconds_sum{stage="decode"} 1.75',
    'media_oracle_stage_seconds_sum{stage="fetch"} 2.5',
    'media_oracle_source_total{outcome="source_unreachable"} 1',
    'media_oracle_source_total{outcome="source_protocol"} 1',
    'media_oracle_refused_total{reason="address"} 1',
  ]) {
    expect(lines).toContain(line);
  }
  expect(lines.filter((line) => line.startsWith("media_oracle_refused_total{"))).toHaveLength(1);
});

test("each time is in the first bucket whose bound it does not exceed", async () => {
  const metrics = createMetrics(idleGauges);
  for (const milliseconds of [0.1, 5, 5.01, 60_000, 60_001]) metrics.answered("stale", milliseconds);
  const lines = (await metrics.text()).split("\n");
  const counts = ["0.001", "0.005", "0.025", "15", "60", "+Inf"].map((bound) =>
    lines
      .find((line) => line.startsWith(`media_oracle_response_seconds_bucket{le="${bound}",result="stale"}`))
      ?.split(" ")
      .at(-1),
  );
  expect(counts).toEqual(["1", "2", "3", "3", "4", "5"]);
});

test("requests are counted by client", async () => {
  const metrics = createMetrics(idleGauges);
  for (const client of ["chat.example.org", "anonymous", "chat.example.org"]) metrics.requested(client);
  const lines = (await metrics.text()).split("\n");
  expect(lines).toContain('media_oracle_requests_total{client="chat.example.org"} 2');
  expect(lines).toContain('media_oracle_requests_total{client="anonymous"} 1');
});
