import type { Readable } from "node:stream";

/** A file of this machine, opened by the command line. */
export interface LocalFile {
  /** Size when it was opened; null if it is unknown, as of a pipe. */
  readonly bytes: number | null;
  /**
   * Opens a stream of a part of the file. It ends early if the file has become shorter.
   *
   * @param from 0 if {@link bytes} is null: then there is one stream
   * @param to excluded; Infinity reads to the end
   */
  open(from: number, to: number): Readable;
}

/**
 * Files by their `file:` URL: a request can name these and no others.
 *
 * A service has none. A command has the file that it looks up, in its own process.
 */
export type LocalFiles = ReadonlyMap<string, LocalFile>;
