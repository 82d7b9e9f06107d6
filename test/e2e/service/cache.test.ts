import sharp from "sharp";
import { afterAll, beforeAll, expect, onTestFinished, test } from "vitest";
import { ask } from "../../support/contract.ts";
import { type Origin, startOrigin } from "../../support/origin.ts";
import { type Service, startService } from "../../support/service.ts";

const picture = await sharp({ create: { width: 8, height: 8, channels: 3, background: "#4080c0" } })
  .png()
  .toBuffer();

let service: Service;

beforeAll(async () => {
  service = await startService({
    ALLOW_ADDRESSES: "127.0.0.0/8",
    ALLOW_PORTS: "1-65535",
    FRESH_MIN_MS: "1", // so that `no-cache` is always revalidated
  });
});

afterAll(async () => {
  await service.stop();
});

/** Starts an origin of one picture with this Cache-Control. */
function startPicture(cacheControl: string): Promise<Origin> {
  return startOrigin(onTestFinished, (request, response) => {
    const headers = { "Cache-Control": cacheControl, ETag: '"a"', "Content-Type": "image/png" };
    if (request.headers["if-none-match"] === '"a"') response.writeHead(304, headers).end();
    else response.writeHead(200, headers).end(picture);
  });
}

const metadataOf = (url: string) => `${service.url}/metadata?url=${encodeURIComponent(url)}`;

test("a fresh entry is returned from the cache with Age and max-age until it is deleted", async () => {
  const origin = await startPicture("max-age=3600");
  const url = metadataOf(origin.url("/a.png"));
  const first = await ask(url);
  expect([first.status, first.headers.get("cache-status")]).toEqual([200, "media-oracle; fwd=miss"]);
  const again = await ask(url);
  expect([again.text, again.headers.get("cache-status")]).toEqual([first.text, "media-oracle; hit"]);
  expect(again.headers.get("age")).toMatch(/^\d$/);
  const [, maxAge] = /^public, max-age=(\d+)$/.exec(again.headers.get("cache-control")!)!;
  expect(Math.abs(Number(maxAge) - 3600)).toBeLessThanOrEqual(360); // ±10 %
  const held = await ask(url, { headers: { "if-none-match": first.headers.get("etag")! } });
  expect([held.status, held.text]).toEqual([304, ""]);
  expect(origin.requests).toBe(1);
  expect((await ask(url, { method: "DELETE" })).status).toBe(204);
  expect((await ask(url)).headers.get("cache-status")).toBe("media-oracle; fwd=miss");
  expect(origin.requests).toBe(2);
});

test("a no-cache entry is revalidated with a 304 for each request, and the metrics count it", async () => {
  const origin = await startPicture("no-cache");
  const url = metadataOf(origin.url("/a.png"));
  const first = await ask(url);
  const again = await ask(url);
  expect(again.headers.get("cache-status")).toBe("media-oracle; fwd=stale; fwd-status=304");
  expect(again.text).toBe(first.text);
  const { text } = await ask(`${service.url}/metrics`);
  expect(text).toContain('media_oracle_cache_total{result="revalidated"} 1');
  expect(text).toContain('media_oracle_source_total{outcome="not_modified"} 1');
});
