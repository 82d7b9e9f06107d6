import { cpSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gunzipSync, gzipSync } from "node:zlib";
import { expect, test, type TestContext } from "vitest";
import { plainApp } from "./app.ts";

const index = "<!doctype html><title>index</title>";
const script = "export const answer = 42;";

/** Serves a folder with a page, a script that has a gzip file beside it, and a file of an unknown kind. */
async function openPage(onTestFinished: TestContext["onTestFinished"], tokens: readonly string[] = []) {
  const folder = mkdtempSync(join(tmpdir(), "media-oracle-page-"));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  writeFileSync(join(folder, "index.html"), index);
  writeFileSync(join(folder, "docs.html"), "<!doctype html><title>docs</title>");
  writeFileSync(join(folder, "app.js"), script);
  writeFileSync(join(folder, "app.js.gz"), gzipSync(script));
  writeFileSync(join(folder, "notes.md"), "# Notes");
  const app = await plainApp({ page: folder, tokens });
  onTestFinished(() => app.close());
  return { app, folder };
}

test("pages are at the root, other files below /assets/, and files of unknown kinds nowhere", async ({
  onTestFinished,
}) => {
  const { app } = await openPage(onTestFinished);
  const [page, docs, asset] = [await app.inject("/"), await app.inject("/docs"), await app.inject("/assets/app.js")];
  expect([page.statusCode, page.body, page.headers["content-type"]]).toEqual([200, index, "text/html; charset=utf-8"]);
  expect([docs.statusCode, docs.body]).toEqual([200, "<!doctype html><title>docs</title>"]);
  expect([asset.statusCode, asset.body, asset.headers["content-type"]]).toEqual([
    200,
    script,
    "text/javascript; charset=utf-8",
  ]);
  for (const path of ["/index", "/app.js", "/assets/index.html", "/assets/notes.md", "/assets/app.js.gz"]) {
    expect([path, (await app.inject(path)).statusCode]).toEqual([path, 404]);
  }
});

test("a file has its policy, its length and a tag, and a request with the tag gets 304", async ({ onTestFinished }) => {
  const { app } = await openPage(onTestFinished);
  const { headers } = await app.inject("/docs");
  expect(headers).toMatchObject({
    "content-security-policy": expect.stringMatching(/^default-src 'none'; script-src 'self'; /) as unknown,
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "cache-control": "no-cache",
    "content-length": "34",
    etag: expect.stringMatching(/^"[\w-]{22}"$/) as unknown,
  });
  expect([headers["content-encoding"], headers.vary]).toEqual([undefined, undefined]);
  const again = await app.inject({ url: "/docs", headers: { "if-none-match": headers.etag } });
  expect([again.statusCode, again.body, again.headers.etag]).toEqual([304, "", headers.etag]);
  expect(again.headers["content-type"]).toBeUndefined();
});

test("a file with a compressed copy is sent in the coding of the caller, with a tag of its own", async ({
  onTestFinished,
}) => {
  const { app } = await openPage(onTestFinished);
  const plain = await app.inject("/assets/app.js");
  const zipped = await app.inject({ url: "/assets/app.js", headers: { "accept-encoding": "br, gzip;q=0.5" } });
  expect([plain.headers.vary, zipped.headers.vary]).toEqual(["Accept-Encoding", "Accept-Encoding"]);
  expect([plain.headers["content-encoding"], zipped.headers["content-encoding"]]).toEqual([undefined, "gzip"]);
  expect(gunzipSync(zipped.rawPayload).toString()).toBe(script);
  expect(zipped.headers["content-length"]).toBe(String(zipped.rawPayload.byteLength));
  expect(zipped.headers.etag).not.toBe(plain.headers.etag);
});

test("a file is read at its first request only, and again after a failed read", async ({ onTestFinished }) => {
  const { app, folder } = await openPage(onTestFinished);
  rmSync(join(folder, "docs.html"));
  expect((await app.inject("/docs")).statusCode).toBe(500);
  cpSync(join(folder, "index.html"), join(folder, "docs.html"));
  expect((await app.inject("/docs")).body).toBe(index);
  writeFileSync(join(folder, "docs.html"), "changed");
  expect((await app.inject("/docs")).body).toBe(index);
});

test("a link on another website to an answer leads to a draft, which no cache stores", async ({ onTestFinished }) => {
  const { app } = await openPage(onTestFinished);
  const follow = (url: string, site?: string) =>
    app.inject({ url, headers: { host: "localhost", ...(site !== undefined && { "sec-fetch-site": site }) } });
  const foreign = await follow("/?url=https%3A%2F%2Fa.example.org%2F%3Fb%26c", "cross-site");
  expect([foreign.statusCode, foreign.headers.location, foreign.headers["cache-control"]]).toEqual([
    303,
    "./#draft=https%3A%2F%2Fa.example.org%2F%3Fb%26c",
    "no-store",
  ]);
  expect((await follow("/", "cross-site")).statusCode).toBe(200);
  expect((await follow("/docs?url=a", "cross-site")).statusCode).toBe(200);
  const own = await follow("/?url=a", "same-origin");
  expect([own.statusCode, own.headers.vary]).toEqual([200, "Sec-Fetch-Site"]);
});

test("a page with a slash behind its name redirects permanently, and caches may keep that", async ({
  onTestFinished,
}) => {
  const { app } = await openPage(onTestFinished);
  for (const path of ["/docs/", "/docs/?a=b"]) {
    const { statusCode, headers } = await app.inject(path);
    expect([statusCode, headers.location, headers["cache-control"]]).toEqual([308, "../docs", undefined]);
  }
});

test("with tokens set, the page needs none, and the API does", async ({ onTestFinished }) => {
  const { app } = await openPage(onTestFinished, ["a-token"]);
  expect((await app.inject("/")).statusCode).toBe(200);
  expect((await app.inject("/version")).statusCode).toBe(401);
});

test("OPTIONS of the page is 204, and another method 405, with Allow", async ({ onTestFinished }) => {
  const { app } = await openPage(onTestFinished);
  const [options, post] = [
    await app.inject({ method: "OPTIONS", url: "/?a=b" }),
    await app.inject({ method: "POST", url: "/" }),
  ];
  expect([options.statusCode, options.headers.allow]).toEqual([204, "GET, HEAD, OPTIONS"]);
  expect([post.statusCode, post.headers.allow]).toEqual([405, "GET, HEAD, OPTIONS"]);
});
