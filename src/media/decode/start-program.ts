import { type ChildProcess, type SpawnOptions, spawn } from "node:child_process";

/** A running program, or the error that prevented its start. */
export type Started =
  | { readonly child: ChildProcess & { readonly pid: number }; readonly failure: null }
  | { readonly child: null; readonly failure: Promise<Error> };

/**
 * Starts a program; returns a failed start as a value, never throws.
 *
 * Node reports a failure in three ways: `spawn` throws (ENOMEM, a NUL byte in an argument); it emits `error` later
 * (EAGAIN, EACCES, ENOENT); it emits `error` later and leaves `stdio` undefined (EMFILE, ENFILE). In each of them there
 * is no pid. Such a child must not be killed: until `error` is emitted, Node passes pid 0 to kill(2), which is every
 * process of our own group.
 */
export function startProgram([program = "", ...args]: readonly string[], options: SpawnOptions): Started {
  let child: ChildProcess;
  try {
    child = spawn(program, args, options);
  } catch (error) {
    return { child: null, failure: Promise.resolve(error as Error) };
  }
  if (isRunning(child)) {
    child.on("error", () => undefined); // a signal could not be sent: the process has ended, or ends by itself
    return { child, failure: null };
  }
  return { child: null, failure: new Promise((resolve) => child.once("error", resolve)) };
}

function isRunning(child: ChildProcess): child is ChildProcess & { readonly pid: number } {
  return child.pid !== undefined;
}
