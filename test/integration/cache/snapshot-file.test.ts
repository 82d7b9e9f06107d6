import { execFileSync, fork } from "node:child_process";
import { once } from "node:events";
import {
  type BigIntStats,
  type Stats,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { type FileHandle, open } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, onTestFinished, test, vi } from "vitest";
import {
  checkReplaceable,
  readSnapshotFile,
  removeTemporaryFiles,
  SnapshotRefused,
  writeSnapshotFile,
} from "../../../src/cache/snapshot-file.ts";

const maxBytes = 1_000_000;
const lines = Array.from({ length: 1000 }, (_, index) => JSON.stringify({ index, text: "é".repeat(index % 50) }));

function makeFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), "media-oracle-snapshot-"));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  return folder;
}

test("a snapshot file is read as it was written, and only its owner may access it", async () => {
  const file = join(makeFolder(), "cache");
  expect(await readSnapshotFile(file, maxBytes)).toBeNull();
  for (const some of [lines, [], lines.slice(1)]) {
    await writeSnapshotFile(file, some);
    expect(await readSnapshotFile(file, maxBytes)).toEqual(some);
  }
  expect(statSync(file).mode & 0o777).toBe(0o600);
});

test("a failed write leaves the previous snapshot file, and no temporary file", async () => {
  const folder = makeFolder();
  const file = join(folder, "cache");
  await writeSnapshotFile(file, lines);
  const failing = (function* () {
    yield lines[0]!.repeat(10_000);
    throw new Error("in the middle");
  })();
  await expect(writeSnapshotFile(file, failing)).rejects.toThrow("in the middle");
  expect(await readSnapshotFile(file, maxBytes)).toEqual(lines);
  expect(readdirSync(folder)).toEqual(["cache"]);
  await expect(writeSnapshotFile(join(folder, "none", "cache"), lines)).rejects.toThrow("ENOENT");
});

async function writtenBytes(): Promise<Buffer> {
  const file = join(makeFolder(), "cache");
  await writeSnapshotFile(file, lines);
  return readFileSync(file);
}

async function read(bytes: Buffer | string): Promise<unknown> {
  const file = join(makeFolder(), "cache");
  writeFileSync(file, bytes);
  return readSnapshotFile(file, maxBytes);
}

test("a snapshot file that is truncated at any place is refused", async () => {
  const bytes = await writtenBytes();
  const places = [0, 1, 22, 23, 24, 100, bytes.byteLength >> 1, bytes.byteLength - 66, bytes.byteLength - 1];
  for (const place of places) await expect(read(bytes.subarray(0, place))).rejects.toThrow(SnapshotRefused);
});

test("a snapshot file with one flipped bit at any place is refused", async () => {
  const bytes = await writtenBytes();
  for (let place = 0; place < bytes.byteLength; place += 97) {
    const flipped = Buffer.from(bytes);
    flipped[place]! ^= 1 << (place % 8);
    await expect(read(flipped)).rejects.toThrow(SnapshotRefused);
  }
});

test.each([
  ["empty", ""],
  ["of another program", "<?xml version='1.0'?>\n<cache/>\n"],
  ["of another version", (text: string) => text.replace("cache 1.", "cache 2.")],
  ["with text after its last line", (text: string) => `${text}more\n`],
  ["with another number of lines", (text: string) => text.replace("end 1000", "end 1001")],
  ["too large", "x".repeat(maxBytes + 1)],
])("a snapshot file that is %s is refused", async (_, make) => {
  const bytes = typeof make === "string" ? make : make((await writtenBytes()).toString());
  await expect(read(bytes)).rejects.toThrow(SnapshotRefused);
});

test("a snapshot file of the maximum size is read, and a larger one is refused", async () => {
  const file = join(makeFolder(), "cache");
  await writeSnapshotFile(file, lines);
  const { size } = statSync(file);
  expect(await readSnapshotFile(file, size)).toEqual(lines);
  await expect(readSnapshotFile(file, size - 1)).rejects.toThrow("it is too large");
});

test("a snapshot file that becomes shorter while it is opened is refused", async () => {
  const file = join(makeFolder(), "cache");
  await writeSnapshotFile(file, lines);
  const handle = await open(file);
  await handle.close();
  // A real file: it is truncated between the stat call and the first read.
  const stat = vi.spyOn(Object.getPrototypeOf(handle) as FileHandle, "stat").mockImplementationOnce(() => {
    const stats = statSync(file);
    truncateSync(file, 100);
    return Promise.resolve(stats as Stats & BigIntStats);
  });
  onTestFinished(() => stat.mockRestore());
  await expect(readSnapshotFile(file, maxBytes)).rejects.toThrow("it is truncated");
});

test("a path is replaceable if a file can be created beside it, and nothing is left there", async () => {
  const folder = makeFolder();
  const file = join(folder, "cache");
  await checkReplaceable(file);
  await writeSnapshotFile(file, lines);
  await checkReplaceable(file);
  expect(readdirSync(folder)).toEqual(["cache"]);
  await expect(checkReplaceable(folder)).rejects.toMatchObject({ code: "EISDIR" });
  await expect(checkReplaceable(join(folder, "none", "cache"))).rejects.toMatchObject({ code: "ENOENT" });
  await expect(checkReplaceable(join(file, "cache"))).rejects.toMatchObject({ code: "ENOTDIR" });
});

test("a snapshot path that is a folder, a pipe without a writer or a device is refused at once", async () => {
  const folder = makeFolder();
  const pipe = join(folder, "pipe");
  execFileSync("mkfifo", [pipe]);
  symlinkSync("/dev/zero", join(folder, "device"));
  for (const file of [folder, pipe, join(folder, "device")]) {
    await expect(readSnapshotFile(file, maxBytes)).rejects.toThrow(SnapshotRefused);
  }
});

test("a writer that is killed at any moment leaves the old or the new snapshot file intact, and at most one temporary file", async () => {
  const folder = makeFolder();
  const file = join(folder, "cache");
  const writer = fileURLToPath(new URL("./snapshot-writer.ts", import.meta.url));
  let last = -1;
  for (let kill = 0; kill < 15; kill += 1) {
    const child = fork(writer, [file, String(last + 1)], { execArgv: ["--import", "tsx"] });
    const ended = once(child, "exit");
    await once(child, "message"); // the first snapshot is written
    await new Promise((resolve) => setTimeout(resolve, Math.random() * 40));
    child.kill("SIGKILL");
    await ended;
    const found = await readSnapshotFile(file, 100_000_000);
    const [number = NaN] = new Set(found!.map(Number)); // all lines of one snapshot are the same
    expect(found).toEqual(Array(20_000).fill(String(number)));
    expect(number).toBeGreaterThan(last);
    last = number;
    expect(readdirSync(folder).length).toBeLessThanOrEqual(2 + kill);
  }
  await removeTemporaryFiles(file);
  expect(readdirSync(folder)).toEqual(["cache"]);
});

test("only the temporary files of this snapshot file are removed", async () => {
  const folder = makeFolder();
  const others = [".cache.tmp", ".cache.0123456789ab.txt", ".cache2.0123456789ab.tmp", "cache.0123456789ab.tmp"];
  for (const name of [...others, ".cache.0123456789ab.tmp"]) writeFileSync(join(folder, name), "");
  await removeTemporaryFiles(join(folder, "cache"));
  expect(readdirSync(folder).sort()).toEqual(others.sort());
});
