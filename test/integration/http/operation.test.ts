import { expect, test } from "vitest";
import type { Health } from "../../../src/http/schema.ts";
import { OracleError } from "../../../src/domain/errors.ts";
import { ask, askMetadata } from "../../support/contract.ts";
import { described, failed, cachedDescription, startApp, summit, version } from "./app.ts";

test("/healthz is 200 even if the service is not ready", async ({ onTestFinished }) => {
  let readiness: Health = "unready";
  const app = await startApp(() => described(), { readiness: () => readiness });
  onTestFinished(() => app.close());
  expect((await ask(`${app.url}/healthz`)).json).toEqual({ status: "ok" });
  const unready = await ask(`${app.url}/readyz`);
  expect([unready.status, unready.json]).toEqual([503, { status: "unready" }]);
  for (const status of ["ok", "degraded"] as const) {
    readiness = status;
    const ready = await ask(`${app.url}/readyz`);
    expect([ready.status, ready.json, ready.headers.get("cache-control")]).toEqual([200, { status }, "no-store"]);
  }
});

test("/openapi.json has the routes of openapi.yaml and the version that runs", async ({ onTestFinished }) => {
  const { document } = await import("../../support/contract.ts");
  const app = await startApp(() => described());
  onTestFinished(() => app.close());
  const { json } = await ask(`${app.url}/openapi.json`);
  expect(json.info).toMatchObject({ title: "media-oracle", version: "1.2.3" });
  expect(json.paths).toEqual(document.paths);
});

test("/version returns the version, with tokens set only to requests with a token", async ({ onTestFinished }) => {
  const app = await startApp(() => described(), { tokens: ["a-token"] });
  onTestFinished(() => app.close());
  const headers = { authorization: "Bearer a-token" };
  expect((await ask(`${app.url}/version`, { headers })).json).toEqual(version);
  expect((await ask(`${app.url}/version`)).status).toBe(401);
});

test("metrics count answers and lookup outcomes, and contain no host", async ({ onTestFinished }) => {
  const kept = { since: Date.now(), until: Date.now() + 60_000 };
  const app = await startApp(({ url }) => {
    if (url.pathname === "/hit.jpg") return cachedDescription(summit, kept);
    if (url.pathname === "/refused.jpg")
      return failed(new OracleError("source_unreachable", "", { reason: "address" }));
    return { ...described({ ...summit, type: "image/webp" }), timings: { decode: 40 } };
  });
  onTestFinished(() => app.close());
  for (const name of ["hit.jpg", "hit.jpg", "refused.jpg", "a.webp"]) {
    await askMetadata(app.url, { url: `https://secret-host.example.org/${name}` });
  }
  const { text, headers } = await ask(`${app.url}/metrics`);
  expect(headers.get("content-type")).toBe("text/plain; version=0.0.4; charset=utf-8");
  for (const line of [
    'media_oracle_cache_total{result="hit"} 2',
    'media_oracle_cache_total{result="miss"} 2',
    'media_oracle_cache_total{result="collapsed"} 0',
    'media_oracle_source_total{outcome="success"} 3', // no cache in this test
    'media_oracle_source_total{outcome="source_unreachable"} 1',
    'media_oracle_refused_total{reason="address"} 1',
    'media_oracle_failures_total{code="source_unreachable"} 1',
    'media_oracle_failures_total{code="overloaded"} 0',
    'media_oracle_stage_seconds_bucket{le="0.1",stage="decode"} 1',
    'media_oracle_decode_seconds_bucket{le="0.05",format="webp"} 1',
    "media_oracle_inflight 1",
    'media_oracle_queue_depth{queue="fetch"} 2',
    'media_oracle_queue_depth{queue="decode"} 4',
    'media_oracle_queue_depth{queue="unpredictable"} 5',
    'media_oracle_queue_depth{queue="workers"} 6',
    "media_oracle_decoder_restarts_total 3",
    'media_oracle_response_seconds_count{result="hit"} 2',
    'media_oracle_response_seconds_count{result="miss"} 2',
    "media_oracle_fetched_bytes_total 7",
    'media_oracle_cache_entries{kind="success"} 8',
    'media_oracle_cache_bytes{kind="failure"} 12',
    'media_oracle_cache_evictions_total{kind="failure"} 13',
    `media_oracle_build_info{version="1.2.3",commit="${version.commit!}",node="24.0.0"} 1`,
    "process_resident_memory_bytes",
  ]) {
    expect(text).toContain(line);
  }
  expect(text).not.toContain("secret-host");
});

test("a counter that is read twice is not counted twice", async ({ onTestFinished }) => {
  const app = await startApp(() => described());
  onTestFinished(() => app.close());
  await askMetadata(app.url, { url: "https://upload.example.org/a.jpg" });
  await ask(`${app.url}/metrics`);
  const { text } = await ask(`${app.url}/metrics`);
  expect(text).toContain('media_oracle_cache_total{result="miss"} 1');
  expect(text).toContain("media_oracle_decoder_restarts_total 3");
});

test("metrics report the health of the shared cache, if there is one", async ({ onTestFinished }) => {
  const shared = { isWell: () => false, calls: () => 7, failures: () => 2, answers: () => 4 };
  const [alone, together] = [await startApp(() => described()), await startApp(() => described(), { shared })];
  onTestFinished(async () => void (await Promise.all([alone.close(), together.close()])));
  const { text } = await ask(`${together.url}/metrics`);
  expect(text).toContain("media_oracle_shared_up 0");
  expect(text).toContain('media_oracle_shared_calls_total{outcome="ok"} 5');
  expect(text).toContain('media_oracle_shared_calls_total{outcome="failed"} 2');
  expect(text).toContain("media_oracle_shared_answers_total 4");
  expect((await ask(`${alone.url}/metrics`)).text).not.toContain("media_oracle_shared");
});
