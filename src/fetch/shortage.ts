import { open } from "node:fs/promises";
import { devNull } from "node:os";
import { OracleError } from "../domain/errors.ts";

// No file descriptor or no memory left for a socket, in this process or on this machine.
const shortages = new Set(["EMFILE", "ENFILE", "ENOBUFS", "ENOMEM"]);

/** Checks for a system error of this machine, not of the host: the circuit breaker must not count it. */
export function isShortage(code: string): boolean {
  return shortages.has(code);
}

/**
 * Returns the failure of a name resolution: `overloaded` if this process has no file descriptor left, else
 * `source_unreachable`.
 *
 * The original error is misleading: without a descriptor c-ares reports ECONNREFUSED, as for a name server that is
 * down, and getaddrinfo ENOTFOUND, as for a name that does not exist. So this tries to open one.
 */
export async function nameError(message: string): Promise<OracleError> {
  try {
    await (await open(devNull)).close();
  } catch (error) {
    const { code = "" } = error as NodeJS.ErrnoException;
    if (isShortage(code)) return new OracleError("overloaded", `no socket to resolve a name: ${code}`);
  }
  return new OracleError("source_unreachable", message, { reason: "name" });
}
