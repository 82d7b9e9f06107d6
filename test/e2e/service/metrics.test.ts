import { expect, onTestFinished, test } from "vitest";
import { startOrigin } from "../../support/origin.ts";
import { ask } from "../../support/replicas.ts";
import { startService } from "../../support/service.ts";

const local = { ALLOW_ADDRESSES: "127.0.0.1/32", ALLOW_PORTS: "1-65535", DECODERS: "1" };

async function start(settings: Record<string, string>) {
  const service = await startService({ ...local, ...settings });
  onTestFinished(async () => void (await service.stop()));
  return service;
}

test("MEDIA_ORACLE_METRICS_PORT opens a listener without a token, and /metrics of the API still needs one", async () => {
  const service = await start({ METRICS_PORT: "0", TOKENS: "a-token-of-a-test" });
  const [, url = ""] = /metrics at (http:\/\/127\.0\.0\.1:\d+\/metrics)/.exec(service.output()) ?? [];
  expect(await (await fetch(url)).text()).toMatch(/^media_oracle_build_info\{version="[\d.]+",commit=".*",node="/m);
  expect((await fetch(`${service.url}/metrics`)).status).toBe(401);
  expect((await fetch(new URL("/metadata?url=http://a.example.org/", url))).status).toBe(404);
  expect(await service.stop()).toBe(0);
  await expect(fetch(url)).rejects.toThrow();
});

test("metrics count the bytes that origins sent, the cached entries and the response times of a running service", async () => {
  const body = Buffer.alloc(12_345, "a");
  const origin = await startOrigin(onTestFinished, (request, response) => {
    if (request.url === "/gone") response.writeHead(404).end();
    else response.end(body);
  });
  const service = await start({});
  for (const path of ["/a.txt", "/a.txt", "/gone"]) await ask(service, origin.url(path));
  const text = await (await fetch(`${service.url}/metrics`)).text();
  for (const line of [
    `media_oracle_fetched_bytes_total ${body.byteLength}`,
    'media_oracle_cache_entries{kind="success"} 1',
    'media_oracle_cache_entries{kind="failure"} 1',
    'media_oracle_cache_evictions_total{kind="success"} 0',
    'media_oracle_response_seconds_count{result="hit"} 1',
    'media_oracle_response_seconds_count{result="miss"} 2',
  ]) {
    expect(text.split("\n")).toContain(line);
  }
});
