import { createHash, randomBytes } from "node:crypto";
import { constants } from "node:fs";
import { type FileHandle, open, readdir, rename, rm } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { entryVersion } from "./entry.ts";

// The form of the file: what it is, a line for each entry, and a line that closes it: how many, and the SHA-256 of all before it.
const title = `media-oracle cache 1.${entryVersion}\n`;
const lastLine = /^end (\d{1,9}) ([0-9a-f]{64})\n$/;
const lastLineBytes = "end 999999999 ".length + 64 + 1;

// What is made, hashed and handed to the system at a time: some hundred entries, well under a millisecond.
const chunkCharacters = 64 * 1024;

/** A file that cannot be taken for what was written. The message says why, and nothing of what is in it. */
export class SnapshotRefused extends Error {
  override readonly name = "SnapshotRefused";
}

const temporaryName = (file: string) => `.${basename(file)}.${randomBytes(6).toString("hex")}.tmp`;

function isTemporary(name: string, file: string): boolean {
  return name.startsWith(`.${basename(file)}.`) && /\.[0-9a-f]{12}\.tmp$/.test(name);
}

/** Chunks of the lines, then the line that closes them. */
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
 * Writes the lines so that the file is, at any moment and whatever happens, either the one before or this one, whole.
 *
 * Its mode is 0600. The lines are taken a few at a time, with other work between.
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

/** So that the new name outlives a power cut. */
async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, constants.O_RDONLY);
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/**
 * Removes what writers that were killed have left. A writer that lives, in another process that was given the same file, loses what it is
 * writing, and writes it again at its next time.
 */
export async function removeTemporaryFiles(file: string): Promise<void> {
  const names = await readdir(dirname(file));
  for (const name of names) if (isTemporary(name, file)) await rm(join(dirname(file), name), { force: true });
}

/**
 * Gives the lines that were written, or null where there is no file.
 *
 * @param maxBytes a larger file is refused unread
 * @throws SnapshotRefused where it is no file, too large, of another program or version, or not as it was written
 * @throws Error of the system, where it cannot be read
 */
export async function readSnapshotFile(file: string, maxBytes: number): Promise<string[] | null> {
  const bytes = await readWhole(file, maxBytes);
  if (!bytes) return null;
  if (!bytes.subarray(0, title.length).equals(Buffer.from(title))) {
    throw new SnapshotRefused("it is of another program or version");
  }
  const tail = bytes.toString("latin1", Math.max(title.length, bytes.byteLength - lastLineBytes));
  const [end, count, digest] = lastLine.exec(tail.slice(tail.lastIndexOf("\nend ") + 1)) ?? [];
  if (end === undefined) throw new SnapshotRefused("it was cut off");
  const sealed = bytes.subarray(0, bytes.byteLength - end.length);
  if (createHash("sha256").update(sealed).digest("hex") !== digest) throw new SnapshotRefused("it was damaged");
  const lines = sealed.toString("utf8", title.length).split("\n");
  lines.pop(); // after the last line break there is nothing
  if (lines.length !== Number(count)) throw new SnapshotRefused("it does not hold what it says");
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
    const stat = await handle.stat();
    if (!stat.isFile()) throw new SnapshotRefused("it is no file");
    if (stat.size > maxBytes) throw new SnapshotRefused("it is larger than it can be");
    const bytes = Buffer.alloc(stat.size);
    let length = 0;
    while (length < bytes.byteLength) {
      const { bytesRead } = await handle.read(bytes, length, bytes.byteLength - length, length);
      if (bytesRead === 0) throw new SnapshotRefused("it was cut off");
      length += bytesRead;
    }
    return bytes;
  } finally {
    await handle.close();
  }
}
