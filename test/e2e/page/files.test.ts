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

test("the page's text files are sent in the coding that a browser prefers, each with its own ETag", async () => {
  const service = await startService();
  onTestFinished(async () => void (await service.stop()));
  for (const path of ["/", "/docs", "/assets/page.css", "/assets/page.js", "/assets/vendor/swagger-ui-bundle.js"]) {
    const etags = new Set<string | null>();
    const bodies = new Set<string>();
    for (const [accepted, coding] of [
      ["identity", null],
      ["gzip, deflate", "gzip"],
      ["gzip, deflate, br, zstd", "br"],
    ] as const) {
      const response = await fetch(service.url + path, { headers: { "accept-encoding": accepted } });
      expect([path, accepted, response.headers.get("content-encoding")]).toEqual([path, accepted, coding]);
      expect(response.headers.get("vary")).toContain("Accept-Encoding");
      etags.add(response.headers.get("etag"));
      bodies.add(await response.text());
    }
    expect([path, etags.size, bodies.size]).toEqual([path, 3, 1]);
  }
  const photo = await fetch(`${service.url}/assets/example.jpg`, { headers: { "accept-encoding": "br" } });
  expect(photo.headers.get("content-encoding")).toBeNull();
  expect((await fetch(`${service.url}/assets/page.css.br`)).status).toBe(404);
});

test.for(["cross-site", "same-site"])("a link to an answer from a %s page leads to the filled form", async (site) => {
  const service = await startService({ TOKENS: "open-sesame-please" });
  onTestFinished(async () => void (await service.stop()));
  const link = `${service.url}/?url=${encodeURIComponent("https://example.org/a?b=ü&c#d")}`;
  const send = (from: string) => fetch(link, { redirect: "manual", headers: { "sec-fetch-site": from } });
  const redirected = await send(site);
  expect([redirected.status, redirected.headers.get("cache-control")]).toEqual([303, "no-store"]);
  expect(redirected.headers.get("location")).toBe(`./#draft=${encodeURIComponent("https://example.org/a?b=ü&c#d")}`);
  for (const from of ["none", "same-origin"]) expect((await send(from)).status).toBe(200);
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
