import { constants, fstatSync, type Stats } from "node:fs";
import { type FileHandle, open, stat } from "node:fs/promises";
import { Readable } from "node:stream";
import { fileURLToPath, pathToFileURL } from "node:url";
import type { LocalFile } from "../domain/local-file.ts";

/** A file that cannot be looked up. The message is for people, without the name of the file. */
export class FileError extends Error {
  override readonly name = "FileError";
}

/** A file to look up: its path or `file:` URL, or `-` for the standard input. */
export interface FileArgument {
  readonly text: string;
}

export interface OpenedFile extends LocalFile {
  /** The URL of the file, with its absolute path. */
  readonly href: string;
  close(): Promise<void>;
}

const standardInput = { descriptor: 0, href: "file:///dev/stdin" };

const pieceBytes = 64 * 1024; // a read of a file; as much as a pipe holds

/**
 * Distinguishes files from URLs: a text with `http:`, `https:` or any scheme and `//` is a URL, and `-` is the standard input. All else is the
 * path of a file, and so is a `file:` URL.
 *
 * @returns null for a URL
 */
export function parseFileArgument(text: string): FileArgument | null {
  const isUrl = /^\s*(https?:|[a-z][a-z0-9+.-]*:\/\/)/i.test(text) && !isFileUrl(text);
  return isUrl ? null : { text };
}

function isFileUrl(text: string): boolean {
  return /^\s*file:\/\//i.test(text);
}

function pathOf(text: string): string {
  if (!isFileUrl(text)) return text;
  try {
    return fileURLToPath(text.trim());
  } catch {
    throw new FileError("names no file of this machine: such a URL has no host, like file:///folder/name");
  }
}

/**
 * Opens a file for one lookup, without waiting for it: not for the writer of a pipe, nor for a device.
 *
 * @throws FileError if it does not exist, cannot be read or is no regular file
 */
export async function openFile({ text }: FileArgument): Promise<OpenedFile> {
  if (text === "-") return openStandardInput();
  const path = pathOf(text);
  try {
    // Looked at first: some devices do something as soon as they are opened.
    refuseIrregular(await stat(path));
    const handle = await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
    return await openHandle(handle, path);
  } catch (error) {
    throw error instanceof FileError ? error : new FileError(faultOf(error, path), { cause: error });
  }
}

async function openHandle(handle: FileHandle, path: string): Promise<OpenedFile> {
  try {
    const stats = await handle.stat();
    refuseIrregular(stats); // it may have been replaced since
    return {
      href: pathToFileURL(path).href,
      bytes: stats.size,
      open: (from, to) => Readable.from(readPieces(handle, from, to), { objectMode: false }),
      close: () => handle.close(),
    };
  } catch (error) {
    await handle.close();
    throw error;
  }
}

async function* readPieces(handle: FileHandle, from: number, to: number): AsyncGenerator<Buffer, void> {
  for (let at = from; at < to;) {
    const { buffer, bytesRead } = await handle.read(Buffer.alloc(Math.min(pieceBytes, to - at)), { position: at });
    if (bytesRead === 0) return; // the file has become shorter
    yield buffer.subarray(0, bytesRead);
    at += bytesRead;
  }
}

function openStandardInput(): OpenedFile {
  if (process.stdin.isTTY) throw new FileError("is a terminal: use a pipe, or name a file");
  if (fstatSync(standardInput.descriptor).isDirectory()) throw new FileError("is a folder, not a file");
  return {
    href: standardInput.href,
    bytes: null,
    open: () => process.stdin,
    close: () => Promise.resolve(void process.stdin.destroy()),
  };
}

function refuseIrregular(stats: Stats): void {
  if (stats.isFile()) return;
  if (stats.isDirectory()) throw new FileError("is a folder, not a file");
  if (stats.isFIFO()) throw new FileError("is a pipe: read it as the standard input, with probe - < FILE");
  throw new FileError("is not a regular file");
}

const faults: Readonly<Record<string, string>> = {
  ENOENT: "does not exist",
  ENOTDIR: "does not exist",
  EACCES: "cannot be read: permission denied",
  ELOOP: "cannot be read: too many symbolic links",
  ENAMETOOLONG: "does not exist: the name is too long",
};

function faultOf(error: unknown, path: string): string {
  const { code = "", message } = error as NodeJS.ErrnoException;
  const fault = faults[code] ?? `cannot be read: ${message}`;
  return code === "ENOENT" || code === "ENOTDIR" ? fault + hintFor(path) : fault;
}

/** Explains a path that looks like a URL without its scheme: `example.org/a.png`, `www.example.org`. */
function hintFor(path: string): string {
  const looksLikeUrl = /^(\/\/)?(www\.[\w.-]+|[\w.-]+\.[a-z]{2,}(:\d+)?\/.*)$/i.test(path);
  return looksLikeUrl ? ` (a URL begins with its scheme: https://${path.replace(/^\/\//, "")})` : "";
}
