import { readFileSync } from "node:fs";
import { expect, onTestFinished, test } from "vitest";
import { createClient } from "../../../src/client/client.ts";
import { startOrigin } from "../../support/origin.ts";
import { startService } from "../../support/service.ts";

const page = new URL("../../../page/", import.meta.url);

test("the page's files need no token, have a strict CSP, and are revalidated by their ETag", async () => {
  const service = await startService({ TOKENS: "open-sesame-please" });
  onTestFinished(async () => void (await service.stop()));
  for (const [path, type] of [
    ["/", "text/html; charset=utf-8"],
    ["/docs", "text/html; charset=utf-8"],
    ["/assets/page.js", "text/javascript; charset=utf-8"],
    ["/assets/client/client.js", "text/javascript; charset=utf-8"],
    ["/assets/vendor/blurhash.js", "text/javascript; charset=utf-8"],
    ["/assets/page.css", "text/css; charset=utf-8"],
    ["/assets/example.jpg", "image/jpeg"],
  ] as const) {
    const response = await fetch(service.url + path);
    expect([path, response.status, response.headers.get("content-type")]).toEqual([path, 200, type]);
    expect(response.headers.get("content-security-policy")).toMatch(/^default-src 'none'; script-src 'self';/);
    expect(response.headers.get("content-security-policy")).not.toMatch(/unsafe|\*/);
    expect(response.headers.get("x-content-type-options")).toBe("nosniff");
    const again = await fetch(service.url + path, { headers: { "if-none-match": response.headers.get("etag")! } });
    expect(again.status).toBe(304);
  }
  for (const path of [
    "/assets/",
    "/assets/../main.js",
    "/assets/%2e%2e/main.js",
    "/assets/..%2fmain.js",
    "/assets/tsconfig.json",
  ]) {
    expect([path, (await fetch(service.url + path)).status]).toEqual([path, 404]);
  }
});

test("the recorded example equals the answer for the page's picture (to update it: npm run example)", async () => {
  const summit = readFileSync(new URL("example.jpg", page));
  const origin = await startOrigin(onTestFinished, (_request, response) => response.end(summit));
  const service = await startService({ ALLOW_ADDRESSES: "127.0.0.0/8", ALLOW_PORTS: "1-65535" });
  onTestFinished(async () => void (await service.stop()));
  const { metadata } = await createClient({ baseUrl: service.url }).describe(origin.url("/a/summit.jpg"));
  const recorded = JSON.parse(readFileSync(new URL("example.json", page), "utf8")) as { metadata: object };
  expect({ ...metadata, url: null }).toEqual({ ...recorded.metadata, url: null });
});
