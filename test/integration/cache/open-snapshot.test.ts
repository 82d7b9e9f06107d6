import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pino } from "pino";
import { expect, test, type TestContext, vi } from "vitest";
import { createMemory, type Memory } from "../../../src/cache/memory.ts";
import { openSnapshot } from "../../../src/cache/open-snapshot.ts";
import { writeSnapshotFile } from "../../../src/cache/snapshot-file.ts";
import { entryToText } from "../../../src/cache/entry-text.ts";
import { entryAt, keyNumber } from "../../support/entries.ts";

const mebibyte = 1024 ** 2;
const info = 30;
const warn = 40;

function createFile(onTestFinished: TestContext["onTestFinished"]): string {
  const folder = mkdtempSync(join(tmpdir(), "media-oracle-open-"));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return join(folder, "cache");
}

/** Opens the file, and records the log. */
async function open(file: string, memory: Memory = createMemory(mebibyte), maxBytes = mebibyte) {
  const lines: unknown[] = [];
  const logger = pino({ base: null, timestamp: false }, { write: (line: string) => lines.push(JSON.parse(line)) });
  return { lines, memory, ...(await openSnapshot(file, memory, maxBytes, logger)) };
}

test("a saved cache is read at the next start, and the log has the number of its entries", async ({
  onTestFinished,
}) => {
  const file = createFile(onTestFinished);
  const first = await open(file);
  expect(first.lines).toEqual([{ level: info, entries: 0, msg: "the cache was read from its file" }]);
  for (let key = 0; key < 3; key += 1) first.memory.set(keyNumber(key), entryAt(Date.now()));
  await first.save();
  const { lines, memory } = await open(file);
  expect(lines).toEqual([{ level: info, entries: 3, msg: "the cache was read from its file" }]);
  expect(memory.get(keyNumber(2))).toEqual(first.memory.get(keyNumber(2)));
});

test("entries that cannot be read are skipped, with a warning that has their number", async ({ onTestFinished }) => {
  const file = createFile(onTestFinished);
  await writeSnapshotFile(file, ["nothing", entryToText(keyNumber(1), entryAt(Date.now()))]);
  const { lines } = await open(file);
  expect(lines).toEqual([
    { level: info, entries: 1, msg: "the cache was read from its file" },
    { level: warn, skipped: 1, msg: "entries of the cache file cannot be read: skipped them" },
  ]);
});

test("a file that is no snapshot, or that cannot be read, leaves the cache empty, with the reason in the log", async ({
  onTestFinished,
}) => {
  const file = createFile(onTestFinished);
  writeFileSync(file, "something else");
  const msg = "the cache file cannot be used: starting with an empty cache";
  expect((await open(file)).lines).toEqual([
    { level: warn, reason: "it was written by another program or version", msg },
  ]);
  expect((await open(join(file, "below"))).lines).toEqual([{ level: warn, reason: "ENOTDIR", msg }]);
  expect(readFileSync(file, "utf8")).toBe("something else");
});

test("a cache that cannot be saved is reported in the log, and does not end the service", async ({
  onTestFinished,
}) => {
  const file = createFile(onTestFinished);
  const { lines, save } = await open(file);
  rmSync(join(file, ".."), { recursive: true });
  await save();
  expect(lines.slice(1)).toEqual([{ level: warn, reason: "ENOENT", msg: "the cache could not be saved" }]);
});

test("the cache is saved every five minutes", async ({ onTestFinished }) => {
  vi.useFakeTimers({ toFake: ["setInterval"] });
  onTestFinished(() => void vi.useRealTimers());
  const file = createFile(onTestFinished);
  await open(file);
  vi.advanceTimersByTime(299_999);
  await new Promise((resolve) => setTimeout(resolve, 50));
  expect(existsSync(file)).toBe(false);
  vi.advanceTimersByTime(1);
  vi.useRealTimers(); // `expect.poll` would advance the others
  await expect.poll(() => existsSync(file)).toBe(true);
});
