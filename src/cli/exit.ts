/** Exit codes. The last two are from sysexits.h: EX_UNAVAILABLE and EX_CONFIG. */
export const exitCodes = { ok: 0, failed: 1, usage: 2, unavailable: 69, configuration: 78 } as const;

export type ExitCode = (typeof exitCodes)[keyof typeof exitCodes];

/** The command line is wrong. */
export class UsageError extends Error {
  override readonly name = "UsageError";
}

/** A service or a port that the command needs is unavailable. */
export class UnavailableError extends Error {
  override readonly name = "UnavailableError";
}
