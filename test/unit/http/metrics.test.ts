import { expect, test } from "vitest";
import { type Oracle, startDescription } from "../../../src/domain/description.ts";
import { unknownMetadata } from "../../../src/domain/metadata.ts";
import type { Target } from "../../../src/domain/target.ts";
import { createMetrics, type Gauges, observed } from "../../../src/http/metrics.ts";

const url = new URL("https://upload.example.org/a");
const target: Target = { href: url.href, url, via: null };
const none: Gauges = {
  inflight: () => 0,
  queueDepths: () => ({ fetch: 0, decode: 0, unpredictable: 0, workers: 0 }),
  decoderRestarts: () => 0,
  enabled: () => ({}),
  shared: null,
};

test("media types that origins invent share one label", async () => {
  const metrics = createMetrics(none);
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
  const metrics = createMetrics({ ...none, enabled: () => ({ heic: true, svg: false }) });
  expect(await metrics.text()).toContain('media_oracle_format_enabled{format="heic"} 1');
  expect(await metrics.text()).toContain('media_oracle_format_enabled{format="svg"} 0');
});

test("each lookup has an outcome, and no decode time without a decode", async () => {
  const metrics = createMetrics(none);
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
  observed(oracle, createMetrics(none))(target, ["type"], previous);
  expect(told).toEqual([target, ["type"], previous]);
});

test("an observed lookup returns the oracle's own description", () => {
  const description = startDescription(() => Promise.resolve(unknownMetadata));
  expect(observed(() => description, createMetrics(none))(target)).toBe(description);
});
