import { expect, test } from "vitest";
import { type Oracle, startDescription } from "../../../src/domain/description.ts";
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
