import { appendFile, mkdtemp, rm, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { PassThrough } from "node:stream";
import { buffer } from "node:stream/consumers";
import { pathToFileURL } from "node:url";
import { expect, onTestFinished, test } from "vitest";
import { type OpenedFile, openFile, parseFileArgument } from "../../../src/cli/local-file.ts";
import type { LocalFile } from "../../../src/domain/local-file.ts";
import { withLocalFiles } from "../../../src/fetch/local-source.ts";
import type { Source } from "../../../src/fetch/source.ts";
import { createByteBudget } from "../../../src/load/byte-budget.ts";
import { createFetcher, unmeasured } from "../../support/fetch.ts";

const content = Buffer.from(Array.from({ length: 300_000 }, (_, index) => index % 251));

async function writeTemporary(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "media-oracle-"));
  onTestFinished(() => rm(folder, { recursive: true }));
  const path = join(folder, "a file");
  await writeFile(path, content);
  return path;
}

async function open(path: string): Promise<OpenedFile> {
  const file = await openFile({ text: path });
  onTestFinished(() => file.close());
  return file;
}

const href = "file:///a";

/** The stages of a fetcher, with one file in addition. */
function stagesWith(file: LocalFile, maxBytes = 2 ** 20, budgetBytes = 2 ** 24) {
  const budget = createByteBudget(budgetBytes);
  const stages = withLocalFiles(new Map([[href, file]]), createFetcher(), { budget, maxBytes, headBytes: 65_536 });
  return { budget, ...stages };
}

async function openSource(file: LocalFile, { maxBytes, signal }: { maxBytes?: number; signal?: AbortSignal } = {}) {
  const { parseTarget, openSource, budget } = stagesWith(file, maxBytes);
  const transfer = unmeasured(signal ?? new AbortController().signal);
  const source = (await openSource(parseTarget(href), null, transfer)) as Source;
  onTestFinished(() => source.close());
  return { source, budget };
}

test("a text with http:, https: or another scheme and // is a URL, every other one the path of a file", () => {
  for (const url of [
    "http://a.example/",
    " HTTPS://a.example/ ",
    "https:a",
    "ftp://a.example/",
    "aesgcm://a.example/",
  ]) {
    expect([url, parseFileArgument(url)]).toEqual([url, null]);
  }
  for (const path of ["-", "a.png", "./a:b//c", "example.org/a.png", "C:a", "/https://a", "file:///a.png"]) {
    expect(parseFileArgument(path)).toEqual({ text: path });
  }
});

test("a file is opened by its path or its file: URL, and its URL has the absolute path", async () => {
  const path = await writeTemporary();
  for (const text of [path, pathToFileURL(path).href]) {
    const file = await open(text);
    expect([file.href, file.bytes]).toEqual([pathToFileURL(path).href, content.byteLength]);
    expect((await buffer(file.open(0, content.byteLength))).equals(content)).toBe(true);
    expect((await buffer(file.open(100_000, 200_000))).equals(content.subarray(100_000, 200_000))).toBe(true);
  }
});

test("only a file that the command has opened is a target: no other file: URL is", async () => {
  const { parseTarget } = stagesWith(await open(await writeTemporary()));
  expect(parseTarget(href)).toMatchObject({ href, via: null });
  for (const url of ["file:///b", "file:///a/", "file:///a?b", "FILE:///a"]) {
    expect(() => parseTarget(url)).toThrow(expect.objectContaining({ code: "url_unsupported" }));
  }
});

test("a file that grows while it is read is described with the size that it had when it was opened", async () => {
  const path = await writeTemporary();
  const file = await open(path);
  await appendFile(path, content);
  const { source } = await openSource(file);
  const { bytes, sha256, warning } = await source.body();
  expect([bytes.byteLength, sha256?.length, warning]).toEqual([content.byteLength, 64, null]);
});

test("a file that becomes shorter while it is read has the warning of a truncated body", async () => {
  const path = await writeTemporary();
  const file = await open(path);
  await truncate(path, 1000);
  const { source } = await openSource(file);
  expect(await source.body()).toMatchObject({ sha256: null, warning: "body_truncated" });
});

test("of a file larger than the limit only the head and the requested ranges are in memory", async () => {
  const { source, budget } = await openSource(await open(await writeTemporary()), { maxBytes: 100_000 });
  expect([source.declaredBytes, source.isTooLarge]).toEqual([content.byteLength, true]);
  expect(await source.body()).toMatchObject({ sha256: null, warning: "body_too_large" });
  expect(source.received.byteLength).toBeLessThanOrEqual(100_000);
  expect(await source.range(250_000, 250_100)).toEqual(new Uint8Array(content.subarray(250_000, 250_100)));
  expect(await source.range(299_000, 301_000)).toBeNull();
  expect(budget.used).toBeLessThan(250_000);
  source.close();
  expect(budget.used).toBe(0);
});

test("an endless pipe is paused at the head, then read up to the limit", async () => {
  const pipe = new PassThrough();
  for (let at = 0; at < content.byteLength; at += 50_000) pipe.write(content.subarray(at, at + 50_000));
  const { source } = await openSource({ bytes: null, open: () => pipe }, { maxBytes: 200_000 });
  await source.arrived(65_536);
  expect([pipe.isPaused(), source.received.byteLength]).toEqual([true, 100_000]);
  expect(await source.body()).toMatchObject({ sha256: null, warning: "body_too_large" });
  expect(pipe.destroyed).toBe(true);
});

test("a pipe whose writer stops is given up at the timeout of a fetch", async () => {
  const pipe = new PassThrough();
  pipe.write("GIF89a");
  const timeout = new AbortController();
  const { source } = await openSource({ bytes: null, open: () => pipe }, { signal: timeout.signal });
  await source.arrived(6);
  timeout.abort();
  expect(await source.body()).toMatchObject({ bytes: new Uint8Array(Buffer.from("GIF89a")), warning: "body_timeout" });
  expect(pipe.destroyed).toBe(true);
});
