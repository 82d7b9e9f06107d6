import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { createMemory, type Memory } from "../../../src/cache/memory.ts";
import { createSnapshot } from "../../../src/cache/snapshot.ts";
import { readSnapshotFile, SnapshotRefused, writeSnapshotFile } from "../../../src/cache/snapshot-file.ts";
import { entryAt, failureAt, keyNumber, successAt } from "../../support/entries.ts";

const now = 1_800_000_000_000;
const mebibyte = 1024 ** 2;

function makeFile(): string {
  const folder = mkdtempSync(join(tmpdir(), "media-oracle-snapshot-"));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  return join(folder, "cache");
}

function snapshotOf(file: string, memory: Memory, time = now) {
  return createSnapshot({ file, memory, maxBytes: 100 * mebibyte, now: () => time });
}

test("a memory that was saved and loaded has the same entries in the same LRU order", async () => {
  const file = makeFile();
  const memory = createMemory(64 * mebibyte);
  for (let n = 0; n < 100; n += 1) memory.set(keyNumber(n), entryAt(now));
  memory.set(keyNumber(100), { success: null, setback: failureAt(now) });
  memory.get(keyNumber(7)); // now the most recently used
  await snapshotOf(file, memory).save();
  const next = createMemory(64 * mebibyte);
  expect(await snapshotOf(file, next).load()).toEqual({ entries: 101, skipped: 0 });
  expect([...next.entries()]).toEqual([...memory.entries()]);
  expect([...next.entries()][0]![0]).toBe(keyNumber(7));
});

test("an expired entry is not saved in the snapshot", async () => {
  const file = makeFile();
  const memory = createMemory(mebibyte);
  memory.set(keyNumber(1), { success: null, setback: failureAt(now) });
  memory.set(keyNumber(2), { success: successAt(now), setback: null });
  await snapshotOf(file, memory, now + 3_600_000).save();
  expect(await readSnapshotFile(file, mebibyte)).toHaveLength(1);
});

test("an entry is saved as long as it is useful: a failure for twice its TTL of a minute", async () => {
  const file = makeFile();
  const memory = createMemory(mebibyte);
  memory.set(keyNumber(1), { success: null, setback: failureAt(now) });
  await snapshotOf(file, memory, now + 119_999).save();
  expect(await readSnapshotFile(file, mebibyte)).toHaveLength(1);
  await snapshotOf(file, memory, now + 120_000).save();
  expect(await readSnapshotFile(file, mebibyte)).toEqual([]);
});

test("a missing snapshot file loads nothing; an invalid line is skipped, and the other lines are loaded", async () => {
  const file = makeFile();
  const memory = createMemory(mebibyte);
  expect(await snapshotOf(file, memory).load()).toEqual({ entries: 0, skipped: 0 });
  memory.set(keyNumber(1), entryAt(now));
  await snapshotOf(file, memory).save();
  const [line] = (await readSnapshotFile(file, mebibyte))!;
  const widths = ["-1", "0.5", "1152921504606847000"].map((width) => line!.replace('"width":4096', `"width":${width}`));
  for (const lie of ["{}", "", ...widths, line!.replace('"bytes"', '"__proto__"')]) {
    expect(lie).not.toBe(line);
    await writeSnapshotFile(file, [lie, line!, lie]); // with a valid digest
    const next = createMemory(mebibyte);
    expect(await snapshotOf(file, next).load()).toEqual({ entries: 1, skipped: 2 });
    expect([...next.entries()]).toEqual([...memory.entries()]);
  }
});

test("a damaged snapshot file is refused, and replaced by the next save", async () => {
  const file = makeFile();
  const memory = createMemory(mebibyte);
  memory.set(keyNumber(1), entryAt(now));
  const snapshot = snapshotOf(file, memory);
  await snapshot.save();
  writeFileSync(file, readFileSync(file).subarray(5));
  await expect(snapshot.load()).rejects.toThrow(SnapshotRefused);
  await snapshot.save();
  expect(await snapshot.load()).toEqual({ entries: 1, skipped: 0 });
});

test("of overlapping saves the latest wins, and a failed save rejects without blocking the next one", async () => {
  const file = makeFile();
  const memory = createMemory(mebibyte);
  const snapshot = snapshotOf(file, memory);
  const saves = [1, 2, 3].map((n) => {
    memory.set(keyNumber(n), entryAt(now));
    return snapshot.save();
  });
  await Promise.all(saves);
  expect(await readSnapshotFile(file, mebibyte)).toHaveLength(3);
  const nowhere = snapshotOf(join(file, "below"), memory);
  await expect(nowhere.save()).rejects.toThrow("ENOTDIR");
  await expect(nowhere.save()).rejects.toThrow("ENOTDIR");
});

test("saving a full memory of 64 MiB does not block the event loop", async () => {
  const file = makeFile();
  const memory = createMemory(64 * mebibyte);
  for (let n = 0; n < 40_000; n += 1) memory.set(keyNumber(n), entryAt(now));
  let longestMs = 0; // of a turn of the event loop, in CPU time
  let isSaved = false;
  const measureTurn = (begin: NodeJS.CpuUsage) => {
    const { user, system } = process.cpuUsage(begin);
    longestMs = Math.max(longestMs, (user + system) / 1000);
    if (!isSaved) setImmediate(measureTurn, process.cpuUsage());
  };
  measureTurn(process.cpuUsage());
  await snapshotOf(file, memory).save();
  isSaved = true;
  // Measured: 32; in one piece 223. `npm run bench:cache` has exact figures.
  expect(longestMs).toBeLessThan(100);
});
