import { createHash, randomBytes } from "node:crypto";
import { constants } from "node:fs";
import { type FileHandle, open, readdir, rename, rm, stat } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { entryVersion } from "./entry.ts";

// The file: a title line, a line for each entry, and a last line with their number and the SHA-256 of all bytes before it.
const title = `media-oracle cache 1.${entryVersion}\n`;
const lastLine = /^end (\d{1,9}) ([0-9a-f]{64})\n$/;
const lastLineBytes = "end 999999999 ".length + 64 + 1;

// Chunk that is serialized, hashed and written at a time: some hundred entries, well under 1 ms.
const chunkCharacters = 64 * 1024;

/** The file is not an intact snapshot. The message says why, without any of its contents. */
export class SnapshotRefused extends Error {
  override readonly name = "SnapshotRefused";
}

const temporaryName = (file: string) => `.${basename(file)}.${randomBytes(6).toString("hex")}.tmp`;

function isTemporary(name: string, file: string): boolean {
  return name.startsWith(`.${basename(file)}.`) && /\.[0-9a-f]{12}\.tmp$/.test(name);
}

/**
 * Checks that {@link writeSnapshotFile} could replace the file, by what it does first: it creates a file beside it.
 *
 * Not access(2), which does not know the sandboxes of a container or of systemd.
 *
 * @throws Error of the system: `ENOENT`, `ENOTDIR`, `EACCES`, `EROFS`, `EISDIR` …
 */
export async function checkReplaceable(file: string): Promise<void> {
  const found = await stat(file).catch(() => null);
  if (found?.isDirectory()) throw Object.assign(new Error("it is a folder"), { code: "EISDIR" });
  const temporary = join(dirname(file), temporaryName(file));
  await (await open(temporary, "wx", 0o600)).close();
  await rm(temporary);
}

/** Serializes the lines in chunks, then the last line. */
function* chunksOf(lines: Iterable<string>): Generator<Buffer> {
  const digest = createHash("sha256");
  const seal = (text: string) => {
    const chunk = Buffer.from(text);
    digest.update(chunk);
    return chunk;
  };
  let count = 0;
  let pending = title;
  for (const line of lines) {
    count += 1;
    pending += `${line}\n`;
    if (pending.length < chunkCharacters) continue;
    yield seal(pending);
    pending = "";
  }
  yield seal(pending);
  yield Buffer.from(`end ${count} ${digest.digest("hex")}\n`);
}

/**
 * Replaces the file atomically: after a crash or a power cut it is either the old one or the new one.
 *
 * Its mode is 0600. Lines are read in chunks, so that the event loop is free in between.
 *
 * @param lines without line breaks
 * @throws Error of the system: a full disk, a folder that cannot be written
 */
export async function writeSnapshotFile(file: string, lines: Iterable<string>): Promise<void> {
  const folder = dirname(file);
  const temporary = join(folder, temporaryName(file));
  try {
    const handle = await open(temporary, "wx", 0o600);
    try {
      for (const chunk of chunksOf(lines)) await handle.writeFile(chunk);
      await handle.sync();
    } finally {
      await handle.close();
    }
    await rename(temporary, file);
    await syncFolder(folder);
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  }
}

/** Makes the rename survive a power cut. */
async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, constants.O_RDONLY);
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/**
 * Removes the temporary files of writers that were killed. A live writer of another process with the same file loses its
 * temporary file too; its next save replaces it.
 */
export async function removeTemporaryFiles(file: string): Promise<void> {
  const names = await readdir(dirname(file));
  for (const name of names) if (isTemporary(name, file)) await rm(join(dirname(file), name), { force: true });
}

/**
 * Reads the lines of a snapshot; null if there is no file.
 *
 * @param maxBytes a larger file is rejected without reading it
 * @throws SnapshotRefused if it is not a regular file, too large, of another program or version, or damaged
 * @throws Error of the system if it cannot be read
 */
export async function readSnapshotFile(file: string, maxBytes: number): Promise<string[] | null> {
  const bytes = await readWhole(file, maxBytes);
  if (!bytes) return null;
  if (!bytes.subarray(0, title.length).equals(Buffer.from(title))) {
    throw new SnapshotRefused("it was written by another program or version");
  }
  const tail = bytes.toString("latin1", Math.max(title.length, bytes.byteLength - lastLineBytes));
  const [end, count, digest] = lastLine.exec(tail.slice(tail.lastIndexOf("\nend ") + 1)) ?? [];
  if (end === undefined) throw new SnapshotRefused("it is truncated");
  const sealed = bytes.subarray(0, bytes.byteLength - end.length);
  if (createHash("sha256").update(sealed).digest("hex") !== digest) throw new SnapshotRefused("its checksum is wrong");
  const lines = sealed.toString("utf8", title.length).split("\n");
  lines.pop(); // the empty string after the last line break
  if (lines.length !== Number(count)) throw new SnapshotRefused("its number of entries is wrong");
  return lines;
}

async function readWhole(file: string, maxBytes: number): Promise<Buffer | null> {
  let handle: FileHandle;
  try {
    // Opening a pipe would wait for a writer.
    handle = await open(file, constants.O_RDONLY | constants.O_NONBLOCK);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return null;
    throw error;
  }
  try {
    const opened = await handle.stat();
    if (!opened.isFile()) throw new SnapshotRefused("it is not a regular file");
    if (opened.size > maxBytes) throw new SnapshotRefused("it is too large");
    const bytes = Buffer.alloc(opened.size);
    let length = 0;
    while (length < bytes.byteLength) {
      const { bytesRead } = await handle.read(bytes, length, bytes.byteLength - length, length);
      if (bytesRead === 0) throw new SnapshotRefused("it is truncated");
      length += bytesRead;
    }
    return bytes;
  } finally {
    await handle.close();
  }
}
