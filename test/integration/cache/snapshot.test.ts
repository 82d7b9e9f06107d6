import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { monitorEventLoopDelay } from "node:perf_hooks";
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

test("a memory is the same after it was saved and loaded, also in what goes first when it is full", async () => {
  const file = makeFile();
  const memory = createMemory(64 * mebibyte);
  for (let n = 0; n < 100; n += 1) memory.set(keyNumber(n), entryAt(now));
  memory.set(keyNumber(100), { success: null, setback: failureAt(now) });
  memory.get(keyNumber(7)); // the latest
  await snapshotOf(file, memory).save();
  const next = createMemory(64 * mebibyte);
  expect(await snapshotOf(file, next).load()).toEqual({ entries: 101, skipped: 0 });
  expect([...next.entries()]).toEqual([...memory.entries()]);
  expect([...next.entries()][0]![0]).toBe(keyNumber(7));
});

test("what is of no use any more is not saved", async () => {
  const file = makeFile();
  const memory = createMemory(mebibyte);
  memory.set(keyNumber(1), { success: null, setback: failureAt(now) });
  memory.set(keyNumber(2), { success: successAt(now), setback: null });
  await snapshotOf(file, memory, now + 3_600_000).save();
  expect(await readSnapshotFile(file, mebibyte)).toHaveLength(1);
});

test("without a file the memory is empty; a line of the file that cannot be an entry is skipped, and the others are loaded", async () => {
  const file = makeFile();
  const memory = createMemory(mebibyte);
  expect(await snapshotOf(file, memory).load()).toEqual({ entries: 0, skipped: 0 });
  memory.set(keyNumber(1), entryAt(now));
  await snapshotOf(file, memory).save();
  const [line] = (await readSnapshotFile(file, mebibyte))!;
  const widths = ["-1", "0.5", "1152921504606847000"].map((width) => line!.replace('"width":4096', `"width":${width}`));
  for (const lie of ["{}", "", ...widths, line!.replace('"bytes"', '"__proto__"')]) {
    expect(lie).not.toBe(line);
    await writeSnapshotFile(file, [lie, line!, lie]); // sealed as it should be
    const next = createMemory(mebibyte);
    expect(await snapshotOf(file, next).load()).toEqual({ entries: 1, skipped: 2 });
    expect([...next.entries()]).toEqual([...memory.entries()]);
  }
});

test("a damaged file is refused, and replaced by the next that is saved", async () => {
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

test("saves that overlap end with the latest, and one that fails is told and does not stop the next", async () => {
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

test("a full memory of 64 MiB is saved while others are answered", async () => {
  const file = makeFile();
  const memory = createMemory(64 * mebibyte);
  for (let n = 0; n < 40_000; n += 1) memory.set(keyNumber(n), entryAt(now));
  const delay = monitorEventLoopDelay({ resolution: 1 });
  delay.enable();
  await snapshotOf(file, memory).save();
  delay.disable();
  // Generous, for a busy machine: in one piece it takes ten times as long. Exact figures are the bench's.
  expect(delay.max / 1e6).toBeLessThan(150);
});
